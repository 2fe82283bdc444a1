// SPDX-License-Identifier: Apache-2.0
//
// What /healthz and /readyz say. Alive: its threads turn; who finds it dead starts it anew. Ready: it takes mail; who
// finds it not ready sends mail elsewhere, and restarts nothing. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/health.hpp"
#include "sealpost/ip_address.hpp"

namespace sealpost::app {

struct Standing {
  bool taking_mail = false, stopping = false;
  std::set<std::string> silent;  // threads that do not answer
  std::string journal;           // why it takes nothing; empty: it does
  std::vector<Endpoint> listeners;
  std::vector<Health::Trouble> troubles;
};

// Why not, one line each; empty: it is.
std::vector<std::string> why_not_alive(const Standing& standing);
std::vector<std::string> why_not_ready(const Standing& standing);

// A word for each kind of trouble, of a list that is known beforehand: causes name files and addresses (T-59).
std::string_view trouble_code(std::string_view cause) noexcept;
const std::vector<std::string_view>& trouble_codes() noexcept;

}  // namespace sealpost::app
