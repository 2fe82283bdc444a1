// SPDX-License-Identifier: Apache-2.0
#include "app/materials.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#include "app/client_identities.hpp"
#include "app/dkim_setup.hpp"
#include "app/listener_certificates.hpp"
#include "dns/servers.hpp"
#include "keys/key_keeper.hpp"
#include "tls/trust_store.hpp"

namespace sealpost::app {
namespace {

// T-10: what can be told of DANE without asking anybody. The rest is the running relay's self-test.
std::string dnssec_problem(const Config& config) {
  if (!config.delivery.dane || config.dns.trust_ad == dns::TrustAd::always) return {};
  if (config.dns.trust_ad == dns::TrustAd::never)
    return "no resolver's word on DNSSEC counts, so DANE will be OFF; set trust_ad = \"loopback\" and run a "
           "validating resolver on this machine, or [dane] enabled = false";
  const auto servers = config.dns.servers.empty() ? dns::system_servers() : config.dns.servers;
  if (dns::trusts_ad(config.dns.trust_ad, servers)) return {};
  std::string named;
  for (const Endpoint& server : servers) named += (named.empty() ? "" : ", ") + server.to_string();
  return named + (config.dns.servers.empty() ? " (/etc/resolv.conf)" : "") +
         " cannot be believed about DNSSEC from here, so DANE will be OFF; run a validating resolver on this "
         "machine "
         "and set servers = [\"127.0.0.1\"], or [dane] enabled = false";
}

// Where the relay would write, or make a file or directory: folders that are not there are found now, not at the start.
// Rights are looked at for the log alone: who checks need not be who runs, and data_dir is closed to everybody else.
void note_unwritable(const Config& config, const std::function<void(std::string, const Error&)>& note) {
  for (const auto& [key, path] :
       {std::pair("log.file", config.log.file), std::pair("data_dir", config.data_dir)}) {
    if (path.empty()) continue;
    const auto slash = path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const std::string& where = ::access(path.c_str(), F_OK) == 0 ? path : folder;
    if (::access(where.c_str(), W_OK) == 0 || (key == std::string_view("data_dir") && errno != ENOENT))
      continue;
    note(key, Error(Errc::io, where + " cannot be written: " + std::strerror(errno) +
                                  "; make it, and give the relay's user the right to write there"));
  }
}

}  // namespace

Findings check_materials(const Config& config, const keys::Source& keys) {
  Findings findings;
  const auto note = [&](std::string key, const Error& error) {
    Finding finding;
    finding.file = config.source;
    finding.key = std::move(key);
    finding.message = error.detail;
    findings.push_back(std::move(finding));
  };
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  findings = check_listener_certificates(config, now, keys);
  const auto trust = tls::TrustStore::load(config.trust);
  if (!trust) note("tls.trust", trust.error());
  if (const auto dkim = load_dkim(config, keys); !dkim) note("dkim.key", dkim.error());
  note_unwritable(config, note);
  if (const std::string problem = report_signer_problem(config); !problem.empty()) {
    note("dkim.domain", Error(Errc::invalid, problem));
    findings.back().kind = Finding::Kind::warning;
  }
  if (const std::string problem = dnssec_problem(config); !problem.empty()) {
    note("dns.servers", Error(Errc::invalid, problem));
    findings.back().kind = Finding::Kind::warning;
  }
  Findings identities = check_client_identities(config.partners, now, keys);
  findings.insert(findings.end(), identities.begin(), identities.end());
  return findings;
}

std::vector<std::string> key_directories(const Config& config) {
  std::set<std::string> directories;
  const auto add = [&](const std::string& key) {
    if (!key.empty()) directories.insert(keys::directory_of(key));
  };
  add(config.source.front() == '(' ? std::string() : config.source);
  for (const CertificateConfig& files : config.certificates) add(files.key);
  if (config.dkim) {
    add(config.dkim->key);
    for (const DkimKeyConfig& also : config.dkim->also) add(also.key);
  }
  for (const PartnerRule& rule : config.partners) add(rule.client_key);
  return {directories.begin(), directories.end()};
}

}  // namespace sealpost::app
