// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target on its corpus where there is no libFuzzer: every file as it is, cut short, and with a few
// octets changed, the same ones in every run. Usage: fuzz_NAME FILE-OR-DIRECTORY...
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int changed_copies = 64;
constexpr std::size_t cuts = 64;

void run(const std::string& input) {
  // A copy of exactly that size: AddressSanitizer then sees a read beyond its end.
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void run_variants(const std::string& input, std::mt19937& random) {
  run(input);
  if (input.empty()) return;
  for (std::size_t i = 1; i <= cuts; ++i) run(input.substr(0, input.size() * i / (cuts + 1)));
  for (int i = 0; i < changed_copies; ++i) {
    std::string changed = input;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % changed.size();
      switch (random() % 4) {
        case 0: changed[at] = static_cast<char>(random()); break;
        case 1: changed[at] = static_cast<char>(changed[at] ^ (1 << random() % 8)); break;
        case 2: changed.insert(at, changed, random() % changed.size(), 1 + random() % 16); break;
        default: changed.erase(at, 1 + random() % 4);
      }
      if (changed.empty()) changed = "x";
    }
    run(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::size_t done = 0;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in) {
      std::fprintf(stderr, "cannot read %s\n", file.c_str());
      return 1;
    }
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(input)));
    std::fprintf(stderr, "%s\n", file.c_str());  // the last one named is the one that crashed
    run_variants(input, random);
    ++done;
  }
  if (done == 0) std::fprintf(stderr, "no corpus: name files or directories\n");
  return done == 0 ? 1 : 0;
}
