// SPDX-License-Identifier: Apache-2.0
#include "intake/client_map.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::intake {
namespace {

bool has_fingerprint(const ClientEntry& entry, const tls::ClientCertificate& shown) {
  return std::any_of(entry.fingerprints.begin(), entry.fingerprints.end(), [&](const std::string& known) {
    return !known.empty() && (known == shown.certificate_sha256 || known == shown.key_sha256);
  });
}

// In a certificate a wildcard is a claim to every name, so it must be asked for as it stands: it is no host's name here.
bool host_fits(std::string_view pattern, std::string_view name) {
  if (name.find('*') != name.npos) return false;
  if (!pattern.starts_with("*.")) return pattern == name;
  const std::size_t dot = name.find('.');
  return dot != name.npos && dot != 0 && name.substr(dot + 1) == pattern.substr(2);
}

// ASCII letters of a local part count the same in either case, as in the names of accounts.
bool address_fits(std::string_view pattern, std::string_view address) {
  if (!pattern.starts_with('@')) return text::iequals(pattern, address);
  return text::iequals(pattern, address.substr(address.find('@')));
}

// The name that fits; null: none.
const std::string* name_of_client(const ClientEntry& entry, const tls::ClientCertificate& shown) {
  for (const std::string& pattern : entry.names) {
    const bool by_address = pattern.find('@') != pattern.npos;
    const auto& names = by_address ? shown.addresses : shown.dns_names;
    const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return by_address ? address_fits(pattern, name) : host_fits(pattern, name);
    });
    if (found != names.end()) return &*found;
  }
  return nullptr;
}

}  // namespace

Certified certified_by(const ClientMap& map, const tls::ClientCertificate& shown) {
  Certified certified;
  for (const ClientEntry& entry : map) {
    const std::string* name = shown.trusted ? name_of_client(entry, shown) : nullptr;
    if (name == nullptr && !has_fingerprint(entry, shown)) continue;
    certified.user = entry.user;
    if (entry.user.empty() && name != nullptr && name->find('@') != name->npos) certified.user = *name;
    certified.relay = entry.relay;
    break;
  }
  return certified;
}

}  // namespace sealpost::intake
