// SPDX-License-Identifier: Apache-2.0
//
// A request to control.http, with its form, query and cookies: what is taken is within its bounds, and what is refused has a status
// and a reason. Input: what a client sends.
#include <cstdint>
#include <string_view>

#include "admin/http_request.hpp"
#include "require.hpp"
#include "web/form.hpp"
#include "web/html.hpp"

namespace {

using namespace sealpost;

void look_at_form(std::string_view text) {
  const auto form = web::Form::read(text);
  if (!form) return;
  require(form->fields().size() <= web::most_fields);
  for (const auto& [name, value] : form->fields()) {
    require(form->as_typed(name) == value);
    const std::string shown = web::escaped(value);
    require(shown.find_first_of("<>\"'") == std::string::npos);
    // Written as an address of ours and read again it is the same.
    const std::string address = web::Url("/").with("x", value).text();
    const auto again = web::Form::read(address.size() > 2 ? std::string_view(address).substr(2) : "");
    require(again && again->as_typed("x") == value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = admin::http_head_end(input);
  require(end == std::string_view::npos || (end >= 4 && end <= size));
  // As it is called, and on octets that are no whole head.
  for (const std::string_view head : {input.substr(0, end), input}) {
    for (const admin::HttpTaken taken : {admin::HttpTaken::reading, admin::HttpTaken::forms,
                                         admin::HttpTaken::reports, admin::HttpTaken::messages}) {
      constexpr std::size_t most_message = 1000;
      const auto request = admin::read_http_request(head, taken, most_message);
      if (!request) {
        require(request.error().status >= 400 && request.error().status < 600 &&
                !request.error().why.empty());
        continue;
      }
      require(head.size() <= admin::http_head_cap);
      require(request->path.starts_with("/") && request->path.find_first_of("? \r\n") == std::string::npos);
      const bool report = taken == admin::HttpTaken::reports;
      const bool message = taken == admin::HttpTaken::messages;
      require(request->form_octets <= (report    ? admin::http_report_cap
                                       : message ? most_message
                                                 : admin::http_form_cap));
      require(request->form_octets == 0 || request->method == admin::HttpRequest::Method::post);
      const bool posts = request->method == admin::HttpRequest::Method::post;
      require(taken == admin::HttpTaken::forms || posts == (report || message));
      require(!request->asks_first || request->form_octets > 0);
      for (const auto& [name, value] : request->fields)
        require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
      look_at_form(request->query);
      static_cast<void>(web::cookie(request->field("cookie"), "sealpost"));
    }
  }
  if (end != std::string_view::npos) look_at_form(input.substr(end));
  static_cast<void>(web::cookie(input, "sealpost"));
  return 0;
}
