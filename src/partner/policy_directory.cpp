// SPDX-License-Identifier: Apache-2.0
#include "partner/policy_directory.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.hpp"

namespace sealpost::app {
namespace {

void add(Findings& findings, Finding::Kind kind, const std::string& file, std::string message) {
  Finding finding;
  finding.kind = kind;
  finding.file = file;
  finding.message = std::move(message);
  findings.push_back(std::move(finding));
}

bool is_backup(const std::string& name) {
  return name.starts_with('.') || name.ends_with('~') || name.starts_with('#');
}

}  // namespace

std::vector<std::string> policy_files(const std::string& directory, Findings& findings) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::string small = text::lower(name);
    std::error_code unknown;
    if (name.starts_with('.') && !name.starts_with("..") && !name.starts_with(".#") &&
        small.ends_with(".toml"))
      add(findings, Finding::Kind::warning, it->path().string(),
          "is not read, because its name begins with a dot; rename it, or remove it");
    if (is_backup(name)) continue;
    if (!small.ends_with(".toml") && it->is_directory(unknown)) {
      add(findings, Finding::Kind::warning, it->path().string(),
          "is a folder, and folders are not looked into; partner files lie in the directory itself");
      continue;
    }
    if (name.ends_with(".toml"))
      paths.push_back(it->path().string());
    else if (small.ends_with(".toml"))  // what looks like a rule file must not be passed over
      add(findings, Finding::Kind::error, it->path().string(),
          "is not read, because its name does not end in \".toml\" in small letters; rename it");
    else if (small.find(".toml.") != std::string::npos)
      add(findings, Finding::Kind::warning, it->path().string(),
          "is not read, because its name does not end in \".toml\"");
  }
  if (error)
    add(findings, Finding::Kind::error, directory,
        "the directory of partner files cannot be read: " + error.message() +
            "; restore or mount it, or take [policies] directory out of the configuration");
  else if (paths.empty())
    add(findings, Finding::Kind::error, directory,
        "holds no partner file (*.toml); restore or mount it, or take [policies] directory out of the "
        "configuration");
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace sealpost::app
