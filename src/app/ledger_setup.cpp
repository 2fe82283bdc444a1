// SPDX-License-Identifier: Apache-2.0
#include "app/ledger_setup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "keys/key_file.hpp"

namespace sealpost::app {
namespace {

constexpr const char* copy_cause = "copies of the ledger's heads";

Expected<ledger::Signer> signer_in(const std::string& path) {
  auto key = keys::FileSource().load(path, keys::Use::signing);
  if (!key) return key.error();
  auto signer = ledger::signer_of(*key);
  if (!signer) return Error(signer.error().code, path + ": " + signer.error().detail);
  return signer;
}

ledger::Addresses addresses_of(const std::string& word) {
  if (word == "domain") return ledger::Addresses::domain;
  if (word == "hash") return ledger::Addresses::hash;
  return ledger::Addresses::plain;
}

Expected<void> append_line(const std::string& path, const std::string& line) {
  const FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file) return file_error(path, "open");
  if (!write_all(file.get(), line)) return file_error(path, "write");
  if (::fdatasync(file.get()) != 0) return file_error(path, "sync");
  return {};
}

}  // namespace

Expected<std::unique_ptr<ledger::LedgerFollower>> open_ledger(const Config& config, Health& health) {
  ledger::StoreOptions options;
  options.path = config.data_dir + "/ledger.db";
  options.addresses = addresses_of(config.ledger.addresses);
  const std::string key = config.data_dir + "/ledger.key", former = key + ".former";
  options.signer = [key]() -> Expected<ledger::Signer> {
    if (auto made = ledger::make_key_file(key); !made) return made.error();
    return signer_in(key);
  };
  if (!is_absent(former)) options.former_signer = [former] { return signer_in(former); };
  options.sealed = [copy = config.ledger.copy_heads_to, &health](const ledger::SignedHead& head) {
    log::info("ledger_day_sealed", {{"head", head.text}, {"signature", text::base64(head.signature)}});
    if (copy.empty()) return;
    if (auto done = append_line(copy, head.text + " " + text::base64(head.signature) + "\n"); !done)
      health.raise(copy_cause, "a head could not be appended: " + done.error().detail,
                   "look at the file and its directory; take the head from the log (ledger_day_sealed)");
    else
      health.clear(copy_cause);
  };
  ledger::Store store(std::move(options), &health);
  if (auto opened = store.file().open(); !opened && opened.error().code == Errc::newer) return opened.error();
  return std::make_unique<ledger::LedgerFollower>(std::move(store), config.ledger.keep_days,
                                                  ledger::RuleHistory(config.data_dir + "/rules-in-force"));
}

}  // namespace sealpost::app
