// SPDX-License-Identifier: Apache-2.0
//
// The filter of the `queue` commands as a form: its fields, and what they say as the JSON that the commands read. What a value
// means, and whether it means anything, the commands alone say.
#pragma once

#include "web/kit.hpp"

namespace sealpost::web {

Json filter_of(const Form& form);                      // {} when nothing is asked
void put_filter_fields(Html& html, const Form& form);  // to be seen and changed
void put_filter_hidden(Html& html, const Json& filter);
Url::Written with_filter(const Url::Written& url, const Json& filter);
std::string in_words(
    const Json& filter);  // "domain a.example, older 2h"; empty filter: "all mail of the queue"

}  // namespace sealpost::web
