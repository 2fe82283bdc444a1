// SPDX-License-Identifier: Apache-2.0
//
// A draft of partner rules, held against the sessions on record as `policy replay` does; nothing comes into force by it.
#pragma once

#include "web/kit.hpp"

namespace sealpost::web {

// The form, with `text` in it. Posts to /partners.
void put_draft_form(Html& html, const Call& call, std::string_view text);
// A rule in force, as `policy list` answers it, to be changed there: whom it is about and what it demands.
std::string draft_of(const Json& rule);
// What such a form asks for.
event::Task<Reply> try_draft(const Call& call);

}  // namespace sealpost::web
