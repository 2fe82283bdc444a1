// SPDX-License-Identifier: Apache-2.0
//
// The pages. A further one: a file here with its coroutine, a line below, a row in pages.cpp, its part in docs/pages.md and in
// tests/functional/test_pages.py.
#pragma once

#include "web/page.hpp"

namespace sealpost::web {

event::Task<Reply> now_page(const Call& call);
event::Task<Reply> queue_page(const Call& call);
event::Task<Reply> message_page(const Call& call);
event::Task<Reply> partners_page(const Call& call);
event::Task<Reply> partner_page(const Call& call);  // partners.cpp
event::Task<Reply> domain_page(const Call& call);
event::Task<Reply> transit_page(const Call& call);
event::Task<Reply> own_domain_page(const Call& call);
event::Task<Reply> to_them_page(const Call& call);  // reports.cpp
event::Task<Reply> to_us_page(const Call& call);    // reports.cpp
event::Task<Reply> report_page(const Call& call);   // reports.cpp
event::Task<Reply> log_page(const Call& call);
event::Task<Reply> settings_page(const Call& call);  // log.cpp

}  // namespace sealpost::web
