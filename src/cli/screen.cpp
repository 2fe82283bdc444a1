// SPDX-License-Identifier: Apache-2.0
#include "cli/screen.hpp"

#include <unistd.h>

#include <iostream>
#include <streambuf>
#include <string>

#include "base/text.hpp"
#include "cli/terminal.hpp"

namespace sealpost::cli {

class Screen::Lines final : public std::streambuf {
 public:
  explicit Lines(std::size_t width) : width_(width), out_(std::cout.rdbuf(this)) {}
  ~Lines() override {
    end_line(false);
    std::cout.rdbuf(out_);
  }

 private:
  int_type overflow(int_type letter) override {
    if (traits_type::eq_int_type(letter, traits_type::eof())) return traits_type::not_eof(letter);
    if (letter == '\n')
      end_line(true);
    else
      line_ += traits_type::to_char_type(letter);
    return letter;
  }
  int sync() override {
    end_line(false);
    return out_->pubsync();
  }
  void end_line(bool whole) {
    if (line_.empty() && !whole) return;
    const std::size_t indent = std::min(line_.find_first_not_of(' '), line_.size());
    std::string shown = without_controls(line_);
    if (width_ > 0 && display_width(shown) > width_)
      shown = folded(std::string_view(shown).substr(indent), std::string(indent, ' '), width_);
    else
      shown += '\n';
    if (!whole) shown.pop_back();
    out_->sputn(shown.data(), static_cast<std::streamsize>(shown.size()));
    line_.clear();
  }
  const std::size_t width_;
  std::streambuf* const out_;
  std::string line_;
};

namespace {
std::streambuf* real_output = nullptr;  // while there is a screen
}

Screen::Screen() : Screen(terminal_width()) {}

Screen::Screen(std::size_t width) {
  if (width == 0 || real_output != nullptr) return;
  real_output = std::cout.rdbuf();
  lines_ = std::make_unique<Lines>(width);
}

Screen::~Screen() {
  if (lines_ != nullptr) real_output = nullptr;
}

std::ostream& verbatim() {
  static std::ostream out(nullptr);
  std::cout.flush();
  out.rdbuf(real_output != nullptr ? real_output : std::cout.rdbuf());
  return out;
}

void show_octets(std::string_view octets) {
  std::ostream& out = verbatim();
  if (::isatty(STDOUT_FILENO) == 0) {
    out.write(octets.data(), static_cast<std::streamsize>(octets.size()));
    return;
  }
  const auto lines = text::split(octets, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (i > 0) out << '\n';
    const auto parts = text::split(line, '\t');
    for (std::size_t k = 0; k < parts.size(); ++k)
      out << (k == 0 ? "" : "        ") << without_controls(parts[k]);
  }
}

}  // namespace sealpost::cli
