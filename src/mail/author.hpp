// SPDX-License-Identifier: Apache-2.0
//
// Whose message it is: the domain in its From field (RFC 5322 §3.6.2), which DKIM keys are chosen by and DMARC looks at
// (RFC 7489 §3.1). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"
#include "sealpost/expected.hpp"

namespace sealpost {

// Lower-case A-labels. `head` is the header. Errc::invalid says for people what is wrong with it: no From or several,
// no address in it, authors of different domains, a group, an address literal.
Expected<std::string> author_domain(std::string_view head);

// All addresses of the field's value, folded or not, parsed as `syntax` says; one at least. Errc::invalid: what a receiver might
// read otherwise is refused, not guessed at: an address in front of another, a group, a ':' or '[' where none belongs.
Expected<std::vector<std::string>> authors_of(std::string_view from_value, Syntax syntax);

// The domain of all of them, as above.
Expected<std::string> author_domain_of(std::string_view from_value);

}  // namespace sealpost
