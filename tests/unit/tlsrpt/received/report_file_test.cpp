// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/received/report_file.hpp"

#include <doctest.h>
#include <zlib.h>

#include "base/gzip.hpp"
#include "base/text.hpp"
#include "tlsrpt/received/json_text.hpp"
#include "tlsrpt/received/unzip.hpp"

using namespace sealpost;
using namespace sealpost::tlsrpt;

namespace {

const std::string json = R"({"report-id":"r1"})";

std::string number(std::uint32_t value, int octets) {
  std::string out;
  for (int i = 0; i < octets; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
  return out;
}

// One file, deflated when `method` is 8 (zlib's stream without its wrapping).
struct Zip {
  std::string files, directory;
  std::uint32_t count = 0;

  void add(const std::string& name, const std::string& octets, std::uint32_t method = 8,
           std::uint32_t flags = 0) {
    std::string packed = octets;
    if (method == 8) {
      uLongf size = compressBound(octets.size());
      packed.resize(size);
      compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(octets.data()),
               octets.size());
      packed = packed.substr(2, size - 6);
    }
    const auto crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(octets.data()), static_cast<uInt>(octets.size())));
    const std::string common = number(20, 2) + number(flags, 2) + number(method, 2) + number(0, 4) +
                               number(crc, 4) + number(static_cast<std::uint32_t>(packed.size()), 4) +
                               number(static_cast<std::uint32_t>(octets.size()), 4) +
                               number(static_cast<std::uint32_t>(name.size()), 2) + number(0, 2);
    directory += "PK\x01\x02" + number(20, 2) + common + number(0, 2) + number(0, 4) + number(0, 4) +
                 number(static_cast<std::uint32_t>(files.size()), 4) + name;
    files += "PK\x03\x04" + common + name + packed;
    ++count;
  }
  std::string text() const {
    return files + directory + "PK\x05\x06" + number(0, 4) + number(count, 2) + number(count, 2) +
           number(static_cast<std::uint32_t>(directory.size()), 4) +
           number(static_cast<std::uint32_t>(files.size()), 4) + number(0, 2);
  }
};

std::string zip(const std::string& name, const std::string& octets, std::uint32_t method = 8) {
  Zip made;
  made.add(name, octets, method);
  return made.text();
}

std::string utf16(const std::string& text, bool little, bool marked) {
  std::string out = marked ? (little ? "\xff\xfe" : "\xfe\xff") : "";
  for (const char c : text) {
    if (!little) out += '\0';
    out += c;
    if (little) out += '\0';
  }
  return out;
}

std::string part(const std::string& head, const std::string& octets, const std::string& footer = {}) {
  return "--x\r\n" + head + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + text::base64(octets) + "\r\n" +
         footer;
}
std::string mail(const std::string& parts, const std::string& domain = "home.example") {
  return "From: <tls@north.example>\r\nTLS-Report-Domain: " + domain +
         "\r\nContent-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nA "
         "report.\r\n" +
         parts + "--x--\r\n";
}

// "octets|domain", or "!problem".
std::string first(const std::string& octets, const std::string& name = {}) {
  const auto found = reports_in_file(octets, name);
  if (!found) return "!!" + found.error().detail;
  const FoundReport& report = found->front();
  return report.problem.empty() ? report.octets + "|" + report.domain : "!" + report.problem;
}

}  // namespace

TEST_CASE("RFC 2231 and RFC 2047 names: the attachment is found however its name is written") {
  for (const char* name :
       {"filename*0=\"north.example!a-rather-long-name.\";\r\n\tfilename*1=\"home.example!1!2.json.gz\"",
        "filename*=UTF-8''north.example%21home.example%211%212.json.gz", "filename=\"=?utf-8?Q?a.json.gz?=\"",
        "filename=x"})
    CHECK(first(mail(part("Content-Type: application/octet-stream\r\nContent-Disposition: attachment;\r\n\t" +
                              std::string(name),
                          gzip(json)))) == json + "|home.example");
}

TEST_CASE("RFC 8460 §5.1, §5.3: the domain comes from the mail's header, else from the file's name") {
  const std::string named = "Content-Type: application/gzip; name=\"a.example!B.Example.!1!2.json.gz\"";
  CHECK(first(mail(part(named, gzip(json)), "Home.Example.")) == json + "|home.example");
  CHECK(first(mail(part(named, gzip(json)), "")) == json + "|b.example");
  CHECK(first(gzip(json), "/tmp/a.example!b.example!1!2!x.json.gz") == json + "|b.example");
  CHECK(first(json, "a!no host!1!2.json") == json + "|");
  CHECK(first(json, "report.json") == json + "|");
  const std::string inner = mail(part("Content-Type: application/tlsrpt+gzip", gzip(json)), "inner.example");
  CHECK(first("TLS-Report-Domain: outer.example\r\nContent-Type: message/rfc822\r\n\r\n" + inner) ==
        json + "|inner.example");
}

TEST_CASE(
    "all reports of a mail and of an mbox are taken, and what is wrong with one does not hide another") {
  const std::string type = "Content-Type: application/tlsrpt+gzip";
  const auto two =
      reports_in_file(mail(part(type, gzip(json)) + part(type, "\x1f\x8b broken") + part(type, gzip(json))));
  REQUIRE(two->size() == 3);
  CHECK(two->at(0).problem.empty());
  CHECK(two->at(1).problem == "not a complete gzip file");
  CHECK(two->at(1).octets == "\x1f\x8b broken");
  CHECK(two->at(2).problem.empty());
  std::string mbox;
  for (int i = 0; i < 40; ++i)
    mbox += "From a@b Mon Oct  5 00:00:00 2026\n" + mail(part(type, gzip(json))) + "\n";
  const auto all = reports_in_file(mbox);
  CHECK(all->size() == 40);
  CHECK(all->back().name == "message 40, application/tlsrpt+gzip");
  CHECK(all->back().domain == "home.example");
  CHECK(first("From a@b Mon Oct  5 00:00:00 2026\nSubject: hello\n\nNo report.\n")
            .starts_with("!!holds no TLS report"));
}

TEST_CASE("a footer behind base64 data, a broken encoding, a part too many: taken or named") {
  const std::string type = "Content-Type: application/tlsrpt+json";
  const auto footer = reports_in_file(mail(part(type, json, "\r\n-- \r\nThis mail was scanned.\r\n")));
  CHECK(footer->front().octets == json);
  CHECK(footer->front().notes ==
        std::vector<std::string>{"the attachment: text that follows its base64 data was left out"});
  CHECK(first(mail("--x\r\n" + type + "\r\nContent-Transfer-Encoding: base64\r\n\r\n****\r\n")) ==
        "!cannot be decoded as base64");
  CHECK(first(mail("--x\r\n" + type + "\r\nContent-Transfer-Encoding: x-gzip64\r\n\r\nA\r\n")) ==
        "!cannot be decoded as x-gzip64");
  std::string many;
  for (int i = 0; i < 150; ++i) many += part(type, json);
  const auto found = reports_in_file(mail(many));
  CHECK(found->size() == 100);  // 99 beside the text, and the word about the others
  CHECK(found->back().problem.starts_with("it has 51 parts more"));
}

TEST_CASE("JSON by chance in a mail is no report, one that reads like it is") {
  CHECK(first(mail("--x\r\nContent-Type: text/plain\r\n\r\n{\"a\":1}\r\n")).starts_with("!!holds no"));
  CHECK(first(mail("--x\r\nContent-Type: text/plain\r\n\r\n" + json + "\r\n")) == json + "|home.example");
  CHECK(first(mail(part("Content-Type: image/png; name=x.png", "\x89PNG"))).starts_with("!!holds no"));
  CHECK(first(mail(part("Content-Type: application/tlsrpt+json", "<xml/>"))) ==
        "!is neither JSON nor packed JSON");
}

TEST_CASE("zip archives, in a mail and by themselves, packed and stored, with gzip inside") {
  CHECK(first(zip("a.example!home.example!1!2.json", json)) == json + "|home.example");
  CHECK(first(zip("r.json", json, 0)) == json + "|");
  CHECK(first(zip("r.json.gz", gzip(json))) == json + "|");
  CHECK(first(mail(part("Content-Type: application/octet-stream; name=r.zip", zip("r.json", json)))) ==
        json + "|home.example");
  Zip two;
  two.add("folder/", "", 0);
  two.add("folder/a.json", json);
  two.add("__MACOSX/._a.json", "junk");
  two.add("b.json", json, 8, 1);
  two.add("readme.txt", "hello");
  const auto found = reports_in_file(two.text());
  REQUIRE(found->size() == 2);
  CHECK(found->at(0).name == "folder/a.json");
  CHECK(found->at(1).problem == "it is encrypted");
  CHECK(found->at(1).octets == two.text());
  CHECK(first(zip("a.txt", "hello")) == "!is a zip archive that holds no JSON");
  CHECK(first(mail(part("Content-Type: application/x-office; name=a.docx", zip("word/document.xml", "<x/>"))))
            .starts_with("!!holds no"));
}

TEST_CASE("T-46 zip archives that lie meet a bound") {
  CHECK(unzip("PK\x03\x04").error().code == Errc::invalid);
  CHECK(unzip(zip("a", "x").substr(0, 40)).error().detail == "not a complete zip archive");
  std::string cut = zip("a.json", json);
  cut.erase(20, 10);  // what follows is where nobody looks for it
  CHECK_FALSE(unzip(cut).has_value());
  std::string wrong = zip("a.json", json, 0);
  wrong[40] ^= 1;
  CHECK(unzip(wrong)->front().octets.error().detail == "its checksum is wrong");
  CHECK(unzip(zip("a.json", json, 12))->front().octets.error().detail.find("method 12") != std::string::npos);
  CHECK(unzip(zip("a.json", std::string(11u << 20, ' ')))->front().octets.error().code == Errc::too_long);
  CHECK(first(zip("a.json", std::string(9u << 20, ' '))).starts_with("!more than"));  // ratio
  Zip many;
  for (int i = 0; i < 101; ++i) many.add("a.json", "x", 0);
  CHECK(unzip(many.text()).error().code == Errc::too_long);
  Zip same;  // ten names, one piece of data
  same.add("a.json", std::string(9u << 20, ' '));
  const std::string entry = same.directory;
  for (int i = 0; i < 9; ++i, ++same.count) same.directory += entry;
  CHECK(unzip(same.text()).error().code == Errc::too_long);
  // A size that is not that of the data.
  std::string lie = zip("a.json", std::string(1000, 'a'));
  const std::size_t at = lie.find("PK\x01\x02");
  lie[at + 24] = 1;
  lie[at + 25] = 0;
  CHECK(unzip(lie)->front().octets.error().detail == "its packed data is broken");
}

TEST_CASE("T-46 what nobody calls a report counts, too: not more than 64 MiB of one file are unpacked") {
  std::string octets;
  for (unsigned i = 0; octets.size() < (8u << 20); ++i)
    octets += std::string(90, 'x') + static_cast<char>('a' + (i * 2654435761u >> 24) % 26);
  const std::string one = part("Content-Type: application/octet-stream", gzip(octets));
  std::string parts;
  for (int i = 0; i < 10; ++i) parts += one;
  const auto found = reports_in_file(mail(parts));
  REQUIRE(found);
  CHECK(found->size() == 1);
  CHECK(found->back().name == "all from here on");
}

TEST_CASE("RFC 2781: JSON in UTF-16, marked or not, and half characters refused") {
  for (const bool little : {true, false}) {
    for (const bool marked : {true, false}) {
      CHECK(is_json(utf16(" {}", little, marked)));
      CHECK(first(utf16(json, little, marked)) == json + "|");
      CHECK(first(gzip(utf16(json, little, marked))) == json + "|");
    }
  }
  CHECK(json_text(std::string("{\0\x3d\xd8\x00\xde", 6))->text == "{\xf0\x9f\x98\x80");
  CHECK(json_text(std::string("{\0\xe9\0\xac\x20", 6))->text == "{\xc3\xa9\xe2\x82\xac");
  CHECK(json_text(std::string("{\0\x3d\xd8", 4)).error().detail == "octet 2: half a UTF-16 character");
  CHECK(json_text(std::string("{\0\0\xdc", 4)).error().detail == "octet 2: half a UTF-16 character");
  CHECK(json_text(std::string("{\0}", 3)).error().detail == "UTF-16 that ends within a character");
  CHECK(json_text("{\"\xff").value().text == "{\"\xff");  // the JSON parser says what is wrong there
  CHECK_FALSE(is_json(""));
  CHECK_FALSE(is_json(std::string("\0\0\0{", 4)));
  CHECK(first(utf16(json, true, true))[0] == '{');
}
