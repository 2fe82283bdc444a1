// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS switched off ([mta_sts] enabled = false): nothing is asked, nothing is cached.
#pragma once

#include "sts/service.hpp"

namespace sealpost::sts {

class StsOff final : public StsService {
 public:
  event::Task<StsState> state_for(event::Loop&, std::string, Duration) override { return disabled(); }
  event::Task<StsState> recheck(event::Loop&, std::string) override { return disabled(); }
  event::Task<StsState> refresh(event::Loop&, std::string) override { return disabled(); }
  event::Task<std::vector<Entry>> entries(event::Loop&, std::string) override {
    co_return std::vector<Entry>();
  }

 private:
  static event::Task<StsState> disabled() {
    StsState state;
    state.kind = StsState::Kind::disabled;
    co_return state;
  }
};

}  // namespace sealpost::sts
