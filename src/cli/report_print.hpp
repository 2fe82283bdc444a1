// SPDX-License-Identifier: Apache-2.0
//
// Answers of `report ...` on standard output: tables and sentences for people, CSV for spreadsheets.
#pragma once

#include <nlohmann/json.hpp>

namespace sealpost::cli {

void print_list(const nlohmann::json& answer);
void print_list_csv(const nlohmann::json& answer);
void print_show(const nlohmann::json& answer);
void print_show_csv(const nlohmann::json& answer);
void print_alerts(const nlohmann::json& answer);
void print_jobs(const nlohmann::json& answer);

}  // namespace sealpost::cli
