// SPDX-License-Identifier: Apache-2.0
#include "config/credentials.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/whole_file.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t longest_value = 1024;

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

class Account {
 public:
  explicit Account(const toml::table& table) : table_(table) {}

  // What is wrong; empty: nothing.
  std::string read(auth::ClientAccount& into) {
    for (const auto& [key, node] : table_) {
      const std::string_view name = key.str();
      line_ = node.source().begin.line;
      std::string value;
      if (name == "mechanisms") {
        if (const auto wrong = read_mechanisms(node, into); !wrong.empty()) return at(wrong);
        continue;
      }
      if (name != "user" && name != "password" && name != "token_file")
        return at("holds a key that is unknown; known are user, password, token_file and mechanisms");
      const auto text = node.value<std::string>();
      if (!text || text->empty() || text->size() > longest_value ||
          std::any_of(text->begin(), text->end(), is_control) || !text::is_utf8(*text))
        return at(std::string(name) + " must be a text of 1 to 1024 octets without control characters");
      if (name == "user") into.user = *text;
      if (name == "password") into.password = auth::Secret(*text);
      if (name == "token_file") into.token_file = *text;
    }
    if (into.user.empty()) return "has no user";
    if (into.password.empty() == into.token_file.empty()) return "needs one of password and token_file";
    if (!into.token_file.empty() && into.token_file.front() != '/')
      return "names a token_file that does not begin with /";
    return {};
  }

 private:
  std::string at(const std::string& what) const { return "line " + std::to_string(line_) + ": " + what; }

  static std::string read_mechanisms(const toml::node& node, auth::ClientAccount& into) {
    const toml::array* words = node.as_array();
    if (words == nullptr || words->empty()) return "mechanisms must be a list of names";
    for (const toml::node& word : *words) {
      auto name = word.value<std::string>();
      if (!name) return "mechanisms must be a list of names";
      for (char& c : *name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      if (!auth::is_client_mechanism(*name))
        return "mechanisms holds an unknown name; known are SCRAM-SHA-256-PLUS, SCRAM-SHA-256, OAUTHBEARER, "
               "XOAUTH2, PLAIN "
               "and LOGIN";
      into.mechanisms.push_back(std::move(*name));
    }
    return {};
  }

  const toml::table& table_;
  toml::source_index line_ = 0;
};

}  // namespace

std::shared_ptr<const auth::ClientAccount> read_credentials(TableReader& reader, const std::string& path) {
  const auto wrong = [&](const std::string& what) { reader.error("credentials", path + ": " + what); };
  auto whole = read_whole_file(path);
  if (!whole) {
    wrong(whole.error().detail);
    return nullptr;
  }
  // The parser's own words may quote what stands there.
  std::optional<toml::table> table;
  toml::source_index line = 0;
  try {
    table = toml::parse(whole->text);
  } catch (const toml::parse_error& error) {
    line = error.source().begin.line;
  }
  auth::wipe(whole->text);
  if (!table) {
    wrong("line " + std::to_string(line) + " is no TOML; write user = \"...\" and password = \"...\"");
    return nullptr;
  }
  auto account = std::make_shared<auth::ClientAccount>();
  const std::string problem = Account(*table).read(*account);
  if (problem.empty()) return account;
  wrong(problem);
  return nullptr;
}

}  // namespace sealpost::app
