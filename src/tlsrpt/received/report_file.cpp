// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/report_file.hpp"

#include <algorithm>

#include "base/gzip.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mime_parts.hpp"
#include "tlsrpt/received/json_text.hpp"
#include "tlsrpt/received/received_report.hpp"
#include "tlsrpt/received/unzip.hpp"

namespace sealpost::tlsrpt {
namespace {

constexpr std::size_t most_total = 64u << 20;  // of all that is found in one file
constexpr std::size_t most_ratio = 200;        // reports pack 10 to 60 times smaller
constexpr std::size_t always_fine = 64 << 10;
constexpr int most_wrappings = 3;  // gzip in zip, and once more
constexpr std::size_t most_shown_name = 255;

bool is_gzip(std::string_view octets) noexcept { return octets.starts_with("\x1f\x8b"); }

bool looks_packed(std::string_view octets) noexcept { return is_gzip(octets) || is_zip(octets); }

bool is_report_name(std::string_view name) {
  const std::string lower = text::lower(name);
  return lower.ends_with(".json") || lower.ends_with(".gz") || lower.ends_with(".zip");
}

std::size_t most_unpacked(std::size_t packed) noexcept {
  return std::min(most_report_octets, always_fine + most_ratio * packed);
}

// Senders are not of one mind about the type; the name is the second hint (RFC 8460 §5.1).
bool claims_to_be_report(const MimePart& part) {
  return part.type.starts_with("application/tlsrpt") || is_report_name(part.name) ||
         part.type == "application/gzip" || part.type == "application/x-gzip" ||
         part.type == "application/json" || part.type == "application/zip" ||
         part.type == "application/x-zip-compressed";
}

// What is in a mail by chance is not spoken of as a report.
bool reads_like_report(std::string_view json) {
  return json.find("\"report-id\"") != std::string_view::npos ||
         json.find("\"date-range\"") != std::string_view::npos;
}

// "reporter!domain!begin!end.json.gz": a host name or nothing.
std::string domain_in_name(std::string_view name) {
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  const auto fields = text::split(name, '!');
  if (fields.size() < 4) return {};
  std::string domain = text::lower(fields[1]);
  while (domain.ends_with('.')) domain.pop_back();
  const bool host = domain.find('.') != std::string::npos && domain.size() <= most_shown_name &&
                    domain.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == std::string::npos;
  return host ? domain : std::string();
}

class Finder {
 public:
  std::vector<FoundReport> take() { return std::move(found_); }

  // `claims`: it is meant to be a report, so what is wrong with it is said.
  void piece(FoundReport about, std::string octets, bool claims, int wrappings = 0) {
    if (full_) return;
    if (unpacked_ > most_total) return add(std::move(about));  // which says so
    if (about.domain.empty()) about.domain = domain_in_name(about.name);
    if (looks_packed(octets) && wrappings < most_wrappings) {
      if (is_zip(octets)) return zip(std::move(about), std::move(octets), claims, wrappings);
      auto inner = unpack_report(octets);
      unpacked_ += inner ? inner->size() : most_unpacked(octets.size());
      if (inner) return piece(std::move(about), std::move(*inner), claims, wrappings + 1);
      if (claims) refuse(std::move(about), std::move(octets), inner.error().detail);
      return;
    }
    if (!is_json(octets)) {
      if (claims) refuse(std::move(about), std::move(octets), "is neither JSON nor packed JSON");
      return;
    }
    auto json = json_text(octets);
    if (!json) return refuse(std::move(about), std::move(octets), json.error().detail);
    if (!claims && !reads_like_report(json->text)) return;
    if (!json->note.empty()) about.notes.push_back("the report " + json->note);
    about.octets = std::move(json->text);
    add(std::move(about));
  }

  void mail(std::string_view message, const std::string& where) {
    const MimeParts all = mime_parts(message);
    for (const MimePart& part : all.parts) {
      const bool claims = claims_to_be_report(part);
      if (!claims && !is_json(part.octets) && !looks_packed(part.octets)) continue;
      FoundReport about;
      about.name = where + text::printable(part.name.empty() ? part.type : part.name, most_shown_name);
      about.domain = domain_of(part);
      if (!part.note.empty()) about.notes.push_back("the attachment: " + part.note);
      if (part.problem.empty())
        piece(std::move(about), part.octets, claims);
      else if (claims)
        refuse(std::move(about), part.octets, part.problem);
    }
    if (all.left_out > 0) {
      FoundReport about;
      about.name = where + "its other parts";
      refuse(std::move(about), {},
             "it has " + std::to_string(all.left_out) +
                 " parts more than are looked at in one mail, or nested too deep");
    }
  }

 private:
  // TLS-Report-Domain (RFC 8460 §5.3) of the message it came in.
  static std::string domain_of(const MimePart& part) {
    std::string domain = text::lower(text::trim(find_field(part.message, "TLS-Report-Domain").value_or("")));
    while (domain.ends_with('.')) domain.pop_back();
    return domain.size() <= most_shown_name ? clean_text(domain, most_shown_name) : std::string();
  }

  void zip(FoundReport about, std::string octets, bool claims, int wrappings) {
    ZipBounds bounds;
    bounds.octets = most_unpacked(octets.size());
    bounds.total = std::min(bounds.total, most_total - unpacked_);
    auto files = unzip(octets, bounds);
    if (!files) {
      if (claims) refuse(std::move(about), std::move(octets), files.error().detail);
      return;
    }
    const std::size_t before = found_.size();
    for (const ZippedFile& file : *files) unpacked_ += file.octets ? file.octets->size() : 0;
    for (ZippedFile& file : *files) {
      if (file.name.starts_with("__MACOSX/")) continue;  // what one archiver adds of its own
      FoundReport inner;
      inner.name =
          (about.name.empty() ? "" : about.name + ", ") + text::printable(file.name, most_shown_name);
      inner.domain = domain_in_name(file.name);
      if (inner.domain.empty()) inner.domain = about.domain;
      inner.notes = about.notes;
      if (file.octets)
        piece(std::move(inner), std::move(*file.octets), is_report_name(file.name), wrappings + 1);
      else if (claims)
        refuse(std::move(inner), octets, file.octets.error().detail);
    }
    if (claims && found_.size() == before)
      refuse(std::move(about), std::move(octets), "is a zip archive that holds no JSON");
  }

  void refuse(FoundReport about, std::string octets, std::string problem) {
    about.octets = std::move(octets);
    about.problem = std::move(problem);
    add(std::move(about));
  }

  // What is over a bound is one last entry; nothing is unpacked after it.
  void add(FoundReport report) {
    if (full_) return;
    full_ = found_.size() + 1 == most_reports_in_file || unpacked_ > most_total;
    if (full_) {
      report = FoundReport();
      report.name = "all from here on";
      report.problem = "more than " + std::to_string(most_reports_in_file - 1) + " reports, or more than " +
                       std::to_string(most_total) + " octets when unpacked, in one file; split it";
    }
    found_.push_back(std::move(report));
  }

  std::vector<FoundReport> found_;
  std::size_t unpacked_ = 0;  // octets; what was given up counts in full
  bool full_ = false;
};

}  // namespace

Expected<std::string> unpack_report(std::string_view octets) {
  return gunzip(octets, most_unpacked(octets.size()));
}

Expected<std::vector<FoundReport>> reports_in_file(std::string_view octets, std::string_view name) {
  if (octets.size() > most_file_octets)
    return Error(Errc::too_long, "the file is longer than " + std::to_string(most_file_octets) + " octets");
  Finder finder;
  if (looks_packed(octets) || is_json(octets)) {
    FoundReport itself;
    itself.domain = domain_in_name(name);
    finder.piece(std::move(itself), std::string(octets), true);
  } else if (octets.starts_with(mbox_line)) {
    std::size_t number = 0;
    for (const std::string_view message : mbox_messages(octets))
      finder.mail(message, "message " + std::to_string(++number) + ", ");
  } else {
    finder.mail(octets, "");
  }
  std::vector<FoundReport> reports = finder.take();
  if (reports.empty())
    return Error(Errc::invalid,
                 "holds no TLS report: neither JSON, nor gzip or zip, nor a mail or mbox with one attached");
  return reports;
}

}  // namespace sealpost::tlsrpt
