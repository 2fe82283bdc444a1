// SPDX-License-Identifier: Apache-2.0
#include "ledger/head.hpp"

#include <openssl/err.h>

#include <nlohmann/json.hpp>

#include "base/openssl_handles.hpp"
#include "base/text.hpp"
#include "ledger/chain.hpp"

namespace sealpost::ledger {
namespace {

std::string node_text(std::uint64_t node) {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i)
    octets[i] = static_cast<std::uint8_t>(node >> (8 * (7 - i)));
  return text::hex(octets);
}

std::uint64_t read_node(const std::string& hex) {
  const auto octets = text::from_hex(hex);
  std::uint64_t node = 0;
  if (octets && octets->size() == 8)
    for (const std::uint8_t octet : *octets) node = node << 8U | octet;
  return node;
}

}  // namespace

std::string to_text(const Head& head) {
  return "{\"ledger_head\":1,\"node\":\"" + node_text(head.node) + "\",\"day\":" + std::to_string(head.day) +
         ",\"date\":\"" + head.date + "\",\"first\":" + std::to_string(head.first) +
         ",\"last\":" + std::to_string(head.last) + ",\"hash\":\"" + hex_of(head.hash) +
         "\",\"previous\":\"" + hex_of(head.previous) + "\",\"key\":\"" + head.key +
         "\",\"sealed\":" + (head.sealed ? "true" : "false") + "}";
}

Expected<Head> parse_head(std::string_view text) {
  const Error wrong(Errc::invalid, "this is no head of a ledger");
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong;
  Head head;
  try {
    if (json.at("ledger_head").get<int>() != 1) return Error(Errc::newer, "a head of a newer release");
    head.node = read_node(json.at("node").get<std::string>());
    head.day = json.at("day").get<std::int64_t>();
    head.date = json.at("date").get<std::string>();
    head.first = json.at("first").get<std::int64_t>();
    head.last = json.at("last").get<std::int64_t>();
    head.key = json.at("key").get<std::string>();
    head.sealed = json.at("sealed").get<bool>();
    if (!read_hash(json.at("hash").get<std::string>(), head.hash) ||
        !read_hash(json.at("previous").get<std::string>(), head.previous))
      return wrong;
  } catch (const nlohmann::json::exception&) {
    return wrong;
  }
  // One way to write it, so that nothing stands in it beside what it says.
  if (to_text(head) != text) return wrong;
  return head;
}

std::string fingerprint_of(std::string_view public_key) { return sha256_hex(public_key).substr(0, 16); }

bool signature_holds(std::string_view public_key, std::string_view text, std::string_view signature) {
  const EvpKeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                  reinterpret_cast<const unsigned char*>(public_key.data()),
                                                  public_key.size()));
  const EvpDigestContextPtr context(EVP_MD_CTX_new());
  const Sha256 digest = sha256(text);
  const bool holds = key && context &&
                     EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                     EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                                      signature.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return holds;
}

}  // namespace sealpost::ledger
