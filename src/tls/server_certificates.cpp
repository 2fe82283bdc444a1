// SPDX-License-Identifier: Apache-2.0
#include "tls/server_certificates.hpp"

#include <algorithm>
#include <cassert>

#include "sealpost/ip_address.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::tls {
namespace {

constexpr std::string_view wildcard = "*.";
using Holders = std::map<std::string, std::vector<std::size_t>, std::less<>>;  // of a name as it is written

// As names_match() takes them: a wildcard is the leftmost label, whole, above two others at least.
bool can_be_asked_for(std::string_view name) noexcept {
  if (IpAddress::parse(name)) return false;
  if (!name.starts_with(wildcard)) return name.find('*') == name.npos;
  name.remove_prefix(wildcard.size());
  return name.find('*') == name.npos && name.find('.') != name.npos;
}

std::string_view parent_of_name(std::string_view name) noexcept {
  const std::size_t dot = name.find('.');
  return dot == name.npos || dot == 0 ? std::string_view() : name.substr(dot + 1);
}

Holders holders_of(const std::vector<ServerCertificates::Identity>& all) {
  Holders holders;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const std::string& name : all[i]->names())
      if (can_be_asked_for(name)) holders[name].push_back(i);
  return holders;
}

void add_of_other_kinds(const std::vector<ServerCertificates::Identity>& all,
                        const std::vector<std::size_t>& holders, ServerCertificates::Choice& choice) {
  for (const std::size_t place : holders) {
    const bool there = std::any_of(choice.begin(), choice.end(), [&](std::size_t other) {
      return all[other]->key_type() == all[place]->key_type();
    });
    if (!there) choice.push_back(place);
  }
}

ServerCertificates::Choice choice_for(const std::vector<ServerCertificates::Identity>& all,
                                      const Holders& holders, const std::string& name) {
  ServerCertificates::Choice choice;
  add_of_other_kinds(all, holders.find(name)->second, choice);
  if (!name.starts_with(wildcard)) {
    const auto wide = holders.find(std::string(wildcard) + std::string(parent_of_name(name)));
    if (wide != holders.end()) add_of_other_kinds(all, wide->second, choice);
  }
  std::sort(choice.begin(), choice.end());
  return choice;
}

bool has_name(const ServerIdentity& identity, const std::string& name) {
  const auto& names = identity.names();
  return std::find(names.begin(), names.end(), name) != names.end() || names_match(names, name);
}

}  // namespace

ServerCertificates::ServerCertificates(std::vector<Identity> identities) : all_(std::move(identities)) {
  assert(!all_.empty());
  choices_.push_back(for_unknown_names());
  const Holders holders = holders_of(all_);
  std::map<Choice, std::size_t> places;
  for (const auto& entry : holders) {
    const std::string& name = entry.first;
    Choice choice = choice_for(all_, holders, name);
    const auto place = places.try_emplace(choice, choices_.size());
    if (place.second) choices_.push_back(std::move(choice));
    if (name.starts_with(wildcard))
      parents_.emplace(name.substr(wildcard.size()), place.first->second);
    else
      names_.emplace(name, place.first->second);
  }
}

ServerCertificates::Choice ServerCertificates::for_unknown_names() const {
  Choice choice{0};
  const std::vector<std::string>& names = all_.front()->names();
  std::vector<std::size_t> alike;
  for (std::size_t i = 1; i < all_.size(); ++i) {
    const bool has_all = std::all_of(names.begin(), names.end(),
                                     [&](const std::string& name) { return has_name(*all_[i], name); });
    if (has_all && names.empty() == all_[i]->names().empty()) alike.push_back(i);
  }
  add_of_other_kinds(all_, alike, choice);
  return choice;
}

std::optional<std::size_t> ServerCertificates::find(std::string_view name) const noexcept {
  if (const auto whole = names_.find(name); whole != names_.end()) return whole->second;
  if (name.find('*') != name.npos) return std::nullopt;
  const auto wide = parents_.find(parent_of_name(name));
  return wide == parents_.end() ? std::nullopt : std::optional(wide->second);
}

std::vector<std::string> ServerCertificates::keys_for(std::string_view name) const {
  std::vector<std::string> keys;
  for (const std::size_t place : choices_[find(name).value_or(0)]) keys.push_back(all_[place]->key_sha256());
  return keys;
}

const OcspStaple* ServerCertificates::staple_for(const X509* certificate, SystemTime now) const noexcept {
  for (const Identity& identity : all_)
    if (identity->is(certificate))
      return identity->staple() && identity->staple()->may_be_shown(now) ? &*identity->staple() : nullptr;
  return nullptr;
}

std::vector<bool> ServerCertificates::shown() const {
  std::vector<bool> shown(all_.size(), false);
  for (const Choice& choice : choices_)
    for (const std::size_t place : choice) shown[place] = true;
  return shown;
}

std::vector<std::optional<Objection>> ServerCertificates::objections(const std::string& host, SystemTime now,
                                                                     std::chrono::seconds soon) const {
  std::vector<std::optional<Objection>> against;
  const std::vector<bool> seen = shown();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    against.push_back(all_[i]->objection(now, soon));
    if (!seen[i])
      against.back() = Objection{Objection::Kind::unused,
                                 "is shown to nobody: those before it have its names and its kind of key, "
                                 "or it has no name that a host can have",
                                 "take it out, or put it before them"};
  }
  const bool named =
      std::any_of(all_.begin(), all_.end(), [&](const Identity& identity) { return identity->is_for(host); });
  if (!named && !against.front())
    against.front() =
        Objection{Objection::Kind::name, "does not name " + host + ", as we call ourselves (hostname)",
                  "get one with that name, unless clients know us by another"};
  return against;
}

bool ServerCertificates::install(SSL_CTX& context, const Choice& choice) const noexcept {
  return std::all_of(choice.begin(), choice.end(),
                     [&](std::size_t place) { return all_[place]->install(context); });
}

}  // namespace sealpost::tls
