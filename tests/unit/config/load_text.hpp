// SPDX-License-Identifier: Apache-2.0
//
// A configuration from text, and what was found in it.
#pragma once

#include <string>
#include <vector>

#include "partner/load_config.hpp"
#include "scratch_files.hpp"

namespace sealpost::app {

inline LoadResult load(const std::string& text) {
  const Directory directory;
  return load_config(directory.file("sealpost.toml", text));
}

// Findings without the directory: "3 error workers: must be ...".
inline std::vector<std::string> findings(const LoadResult& result) {
  std::vector<std::string> texts;
  for (const Finding& finding : result.findings)
    texts.push_back(std::to_string(finding.line) +
                    (finding.kind == Finding::Kind::error ? " error " : " warning ") + finding.key + ": " +
                    finding.message);
  return texts;
}

}  // namespace sealpost::app
