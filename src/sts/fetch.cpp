// SPDX-License-Identifier: Apache-2.0
#include "sts/fetch.hpp"

#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "sealpost/mta_sts.hpp"

namespace sealpost::sts {

namespace {

constexpr const char* fetch_error = "sts-policy-fetch-error";
constexpr std::size_t most_addresses = 8;

bool is_plain_text(std::string_view content_type) {
  return text::iequals(text::trim(content_type.substr(0, content_type.find(';'))), "text/plain");
}

}  // namespace

Expected<std::string, FetchFailure> judge_response(http::Response response) {
  if (response.status != 200)
    return FetchFailure(fetch_error, "http-status-" + std::to_string(response.status),
                        "the policy host answered with HTTP status " + std::to_string(response.status));
  if (!is_plain_text(response.content_type))
    return FetchFailure(
        "sts-policy-invalid", "media-type",
        "the policy came as '" + text::printable(response.content_type, 64) + "', not as text/plain");
  return std::move(response.body);
}

FetchFailure failure_from(const http::Failure& failure) {
  const bool certificate = failure.kind == http::FailureKind::certificate;
  FetchFailure made(certificate ? "sts-webpki-invalid" : fetch_error, failure.reason, failure.detail);
  made.ours = failure.kind == http::FailureKind::internal;
  return made;
}

HttpsPolicyFetcher::HttpsPolicyFetcher(event::Loop& loop, dns::Resolver& resolver, http::Client& client,
                                       FetchSettings settings)
    : loop_(loop),
      resolver_(resolver),
      client_(client),
      settings_(std::move(settings)),
      slots_(loop, settings_.at_once) {}

event::Task<Expected<std::string, FetchFailure>> HttpsPolicyFetcher::fetch(std::string policy_domain) {
  http::Request request;
  request.host = "mta-sts." + policy_domain;
  request.port = settings_.port;
  request.path = "/.well-known/mta-sts.txt";
  request.limit = settings_.limit;
  request.most_body = sts_body_cap;
  auto addresses = co_await addresses_of(request.host);
  if (!addresses) co_return std::move(addresses).error();
  request.addresses = std::move(*addresses);

  // In this order: those who wait for a busy address must not keep the others waiting.
  const auto queue = queue_for(request.addresses.front());
  const auto turn = co_await queue->acquire();
  const auto slot = co_await slots_.acquire();
  auto response = co_await client_.send(std::move(request));
  if (!response) co_return failure_from(response.error());
  co_return judge_response(std::move(*response));
}

// Resolved once and checked; these very addresses are connected to, so a second answer cannot lead elsewhere (T-40).
event::Task<HttpsPolicyFetcher::Addresses> HttpsPolicyFetcher::addresses_of(std::string host) {
  const dns::Families both;
  const auto found = co_await dns::look_up_addresses(resolver_, host, both);
  if (found.status == dns::Status::failed)
    co_return FetchFailure(fetch_error, "dns-failure",
                           "address lookup for " + host + " failed: " + found.why);
  if (found.status != dns::Status::found)
    co_return FetchFailure(fetch_error, "no-address", host + " has no address");
  std::vector<IpAddress> allowed;
  for (const IpAddress& address : found.addresses) {
    if (may_contact(address, settings_.allow_destinations) && allowed.size() < most_addresses)
      allowed.push_back(address);
  }
  if (allowed.empty())
    co_return FetchFailure(fetch_error, "address-not-public",
                           host + " has only addresses that must not be connected to, such as " +
                               found.addresses.front().to_string());
  co_return allowed;
}

std::shared_ptr<event::Semaphore> HttpsPolicyFetcher::queue_for(const IpAddress& address) {
  std::erase_if(queues_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = queues_[address];
  auto queue = known.lock();
  if (!queue) {
    queue = std::make_shared<event::Semaphore>(loop_, settings_.per_address);
    known = queue;
  }
  return queue;
}

}  // namespace sealpost::sts
