// SPDX-License-Identifier: Apache-2.0
#include "app/materials.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#include "app/client_identities.hpp"
#include "app/dkim_setup.hpp"
#include "app/listener_certificates.hpp"
#include "base/log_file.hpp"
#include "config/resolving.hpp"
#include "dns/servers.hpp"
#include "keys/key_keeper.hpp"
#include "privilege/identity.hpp"
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

using NoteMaterial = std::function<void(std::string, const Error&, Finding::Kind)>;

std::string folder_with(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

bool path_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Error cannot_be_written(const std::string& where, int number) {
  return Error(Errc::io, where + " cannot be written: " + std::strerror(number) +
                             "; make it, and give the relay's user the right to write there");
}

void note_log(const std::string& path, const NoteMaterial& note) {
  if (path.empty()) return;
  if (const std::string why = log::log_file_objection(path); !why.empty())
    return note("log.file", Error(Errc::invalid, path + " " + why), Finding::Kind::error);
  const std::string where = path_exists(path) ? path : folder_with(path);
  if (::access(where.c_str(), W_OK) != 0)
    note("log.file", cannot_be_written(where, errno), Finding::Kind::error);
}

// Rights are not looked at: who checks need not be who runs, and data_dir is closed to everybody else.
void note_data_dir(const std::string& path, const NoteMaterial& note) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode))
      note("data_dir", Error(Errc::invalid, path + " is no directory; name one, or one to be made"),
           Finding::Kind::error);
  } else if (!path_exists(folder_with(path)) && errno == ENOENT) {
    note("data_dir", cannot_be_written(folder_with(path), ENOENT), Finding::Kind::error);
  }
}

// A start makes its folder when it becomes a user; so may a service manager, which the configuration says nothing of.
void note_control_socket(const Config& config, const NoteMaterial& note) {
  const std::string folder = folder_with(config.control_socket);
  if (path_exists(folder) || folder == config.data_dir) return;
  const bool hopeless = !path_exists(folder_with(folder));
  if (hopeless || config.user.empty())
    note("control.socket",
         Error(Errc::io, "there is no folder " + folder + " for it; make it, or name another place"),
         hopeless ? Finding::Kind::error : Finding::Kind::warning);
}

// Where the relay would write, or make a file or directory: found now, not at the start. A configuration may be checked
// on another machine than it is for, so that its user is a warning.
void note_places(const Config& config, const NoteMaterial& note) {
  note_log(config.log.file, note);
  note_data_dir(config.data_dir, note);
  note_control_socket(config, note);
  if (config.user.empty()) return;
  if (const auto user = privilege::find_user(config.user); !user)
    note("user", user.error(), Finding::Kind::warning);
}

// Others know what shows these certificates by further names than `hostname`.
void note_names(const Config& config, const keys::Source& keys, const NoteMaterial& note) {
  const auto certificates = load_listener_certificates(config, keys);
  if (!certificates || !*certificates) return;  // what is wrong with them was said
  const auto check = [&](const char* key, const std::string& host, const char* who) {
    if (!host.empty() && !(*certificates)->find(host))
      note(key,
           Error(Errc::invalid, "no certificate of [tls] names " + host + ", and " + who +
                                    "; get one with that name ([[tls.also]])"),
           Finding::Kind::warning);
  };
  if (config.tls_rpt.receive_http && !config.tls_rpt.receive_http->address.is_loopback())
    check("tls_rpt.receive_url", report_host(config.tls_rpt), "those who bring reports there look for it");
  if (config.control_http && !config.control_http->address.is_loopback() && config.web.on())
    for (const std::string& name : config.web.names)
      check("control.http_names", name, "browsers look for it");
}

}  // namespace

Findings check_materials(const Config& config, const keys::Source& keys) {
  Findings findings;
  const NoteMaterial note = [&](std::string key, const Error& error, Finding::Kind kind) {
    Finding finding;
    finding.kind = kind;
    finding.file = config.source;
    finding.key = std::move(key);
    finding.message = error.detail;
    findings.push_back(std::move(finding));
  };
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  findings = check_listener_certificates(config, now, keys);
  note_names(config, keys, note);
  for (const ListenerConfig& listener : config.listeners)
    if (const auto authorities = load_client_authorities(listener); !authorities)
      note("listener.client_ca", authorities.error(), Finding::Kind::error);
  const auto trust = tls::TrustStore::load(config.trust);
  if (!trust) note("tls.trust", trust.error(), Finding::Kind::error);
  if (const auto dkim = load_dkim(config, keys); !dkim) note("dkim.key", dkim.error(), Finding::Kind::error);
  note_places(config, note);
  if (config.tls_rpt.send && !config.dkim)
    note("tls_rpt.send",
         Error(
             Errc::invalid,
             "reports by mail wait for a key to sign them, without which receivers drop them, and only those "
             "to https: are sent; configure [dkim]"),
         Finding::Kind::warning);
  if (const std::string problem = report_signer_problem(config); !problem.empty())
    note("dkim.domain", Error(Errc::invalid, problem), Finding::Kind::warning);
  if (const std::string problem = dnssec_problem(config); !problem.empty())
    note("dns.servers", Error(Errc::invalid, problem), Finding::Kind::warning);
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
