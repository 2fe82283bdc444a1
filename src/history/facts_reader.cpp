// SPDX-License-Identifier: Apache-2.0
#include "history/facts_reader.hpp"

#include "base/digest.hpp"
#include "history/facts_codec.hpp"

namespace sealpost::history {

Expected<FactsReader> FactsReader::over(sqlite::Database& file, std::size_t most) {
  auto row = file.statement(
      "SELECT f.facts, f.digest, f.certificate, c.facts, c.digest FROM facts f "
      "LEFT JOIN certificate c ON c.id = f.certificate WHERE f.id=?1");
  if (!row) return row.error();
  return FactsReader(std::move(*row), most);
}

Expected<std::shared_ptr<const Facts>> FactsReader::of(std::int64_t id) {
  if (const auto known = known_.find(id); known != known_.end()) return known->second;
  auto facts = read(id);
  if (!facts) return facts;
  if (known_.size() >= most_) known_.clear();
  known_.emplace(id, *facts);
  return facts;
}

Expected<std::shared_ptr<const Facts>> FactsReader::read(std::int64_t id) {
  using Result = std::shared_ptr<const Facts>;
  const auto found = row_.reset().bind(1, id).row();
  if (!found) return found.error();
  if (!*found) return Result();
  const std::string text = row_.text(0), certificate_text = row_.text(3);
  if (sha256_hex(text) != row_.text(1)) return Result();
  std::shared_ptr<const CertificateFacts> certificate;
  if (row_.number(2) != 0) {
    auto decoded = decode_certificate(certificate_text);
    if (!decoded || sha256_hex(certificate_text) != row_.text(4)) return Result();
    certificate = std::make_shared<const CertificateFacts>(std::move(*decoded));
  }
  auto decoded = decode_facts(text, std::move(certificate));
  return decoded ? std::make_shared<const Facts>(std::move(*decoded)) : Result();
}

}  // namespace sealpost::history
