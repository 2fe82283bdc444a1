// SPDX-License-Identifier: Apache-2.0
#include "delivery/connection.hpp"

namespace sealpost::delivery {

bool Offer::serves(const Offer& wanted, const SessionFacts& facts) const noexcept {
  if (rules != wanted.rules || identity != wanted.identity || smart_host != wanted.smart_host) return false;
  if (wanted.tls && !tls) return false;  // in clear because of somebody else's rule
  return facts.starttls != StartTls::established || server_name == wanted.server_name;
}

ConnectionPool::ConnectionPool(event::Loop& loop, Duration idle_limit, std::size_t most)
    : loop_(loop), idle_limit_(idle_limit), most_(most), scope_(loop) {}

void ConnectionPool::put(std::unique_ptr<Connection> connection) {
  if (connection->session->broken()) return;
  if (idle_.size() >= most_) {
    close(std::move(idle_.front().connection));
    idle_.pop_front();
  }
  idle_.emplace_back(std::move(connection), loop_.now() + idle_limit_);
  if (!sweeping_) {
    sweeping_ = true;
    scope_.spawn(sweep());
  }
}

event::Task<void> ConnectionPool::sweep() {
  while (!idle_.empty()) {
    const SteadyTime until = idle_.front().until;
    co_await event::sleep_until(loop_, until);
    while (!idle_.empty() && idle_.front().until <= loop_.now()) {
      close(std::move(idle_.front().connection));
      idle_.pop_front();
    }
  }
  sweeping_ = false;
}

void ConnectionPool::close(std::unique_ptr<Connection> connection) {
  if (connection->session->broken()) return;
  scope_.spawn(say_goodbye(std::move(connection)));
}

void ConnectionPool::close_all() {
  while (!idle_.empty()) {
    close(std::move(idle_.front().connection));
    idle_.pop_front();
  }
}

event::Task<void> ConnectionPool::say_goodbye(std::unique_ptr<Connection> connection) {
  co_await connection->session->quit();
}

}  // namespace sealpost::delivery
