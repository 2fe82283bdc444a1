// SPDX-License-Identifier: Apache-2.0
//
// The relay logs people in behind its walls.
#include <doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sts/scratch_directory.hpp"
#include "auth/accounts.hpp"
#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "privilege/confine.hpp"
#include "some_users.hpp"

using namespace sealpost;
using sealpost::test::ScratchDirectory;
using sealpost::test::some_user;

TEST_CASE(
    "T-53 T-33 accounts are read and passwords hashed with the filter and Landlock in force, on threads") {
  const ScratchDirectory dir;
  {
    auth::UserStore store(dir.path(), auth::Access::write);
    REQUIRE(store.open());
    REQUIRE(store.add(some_user("anna", "secret")));
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    privilege::confine_relay({dir.path()});
    event::EventLoop loop;
    auth::Accounts accounts(dir.path());
    auth::Channel channel;
    channel.encrypted = true;
    const auto exchange = accounts.begin(loop, "PLAIN", channel);
    const std::string said("\0anna\0secret", 12);
    const auth::Step step = event::run_until_done(loop, exchange->step(said));
    ::_exit(step.kind == auth::Step::Kind::accepted ? 0 : 1 + static_cast<int>(step.kind));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
