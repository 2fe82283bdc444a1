// SPDX-License-Identifier: Apache-2.0
#include "keys/key_process.hpp"

#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/handles.hpp"
#include "keys/key_file.hpp"
#include "keys/key_keeper.hpp"
#include "keys/remote_key.hpp"
#include "privilege/confine.hpp"
#include "privilege/identity.hpp"

namespace sealpost::keys {
namespace {

constexpr std::size_t channel_count = 8;
constexpr int answer_limit = 20;  // seconds; a key file on a dead network file system

bool send_packet(int fd, std::string_view packet) noexcept {
  ssize_t sent = -1;
  do sent = ::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(packet.size());
}

// Empty: the other end is gone, or nothing came in time.
std::string receive_packet(int fd) {
  std::string packet(largest_packet, '\0');
  ssize_t got = -1;
  do got = ::recv(fd, packet.data(), packet.size(), 0);
  while (got < 0 && errno == EINTR);
  packet.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return packet;
}

void serve(KeyKeeper& keeper, int fd) {
  for (;;) {
    const std::string packet = receive_packet(fd);
    if (packet.empty()) return;
    const auto request = decode_request(packet);
    Answer answer;
    if (request) answer = keeper.answer(*request);
    std::string reply = encode(answer);
    const bool sent = send_packet(fd, reply);
    OPENSSL_cleanse(reply.data(), reply.size());
    OPENSSL_cleanse(answer.payload.data(), answer.payload.size());
    if (!sent) return;
  }
}

// The key process's whole life. Ends with the last channel, or with the relay.
[[noreturn]] void keep(const std::array<int, channel_count>& channels, std::vector<std::string> directories) {
  ::prctl(PR_SET_NAME, "sealpost-keys");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A terminal's Ctrl-C and a service manager's stop reach both; the relay still needs keys while it drains.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) ::signal(number, SIG_IGN);
  privilege::forbid_dumps();
  // Each thread has capabilities of its own: before there are others.
  if (!privilege::keep_only(privilege::Kept::read_all_files)) std::_Exit(1);
  KeyKeeper keeper(std::move(directories));
  std::mutex gate;
  std::vector<std::thread> threads;
  bool confined = false;
  {
    const std::lock_guard closed(gate);  // nobody serves before the walls are up
    for (std::size_t i = 1; i < channel_count; ++i)
      threads.emplace_back([&keeper, &gate, fd = channels[i]] {
        { const std::lock_guard open(gate); }
        serve(keeper, fd);
      });
    confined = privilege::confine_key_process();
  }
  if (!confined) std::_Exit(1);
  serve(keeper, channels[0]);
  std::_Exit(0);  // the relay is gone, or its channel is: the others go with it
}

Errc code_of(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::invalid: return Errc::invalid;
    case Outcome::io: return Errc::io;
    case Outcome::refused: return Errc::refused;
    case Outcome::done:
    case Outcome::unavailable: break;
  }
  return Errc::unavailable;
}

}  // namespace

// The relay's ends. Requests on one are in turn; a thread takes the first that is free: the thread behind it was the last to
// work, and to wake one that was not costs twenty times the signature (keys_bench).
class KeyProcess::Channels {
 public:
  explicit Channels(std::array<FileDescriptor, channel_count> ends) {
    for (std::size_t i = 0; i < channel_count; ++i) channels_[i].fd = std::move(ends[i]);
  }

  Answer ask(const Request& request) {
    for (Channel& channel : channels_) {
      const std::unique_lock lock(channel.mutex, std::try_to_lock);
      if (lock.owns_lock()) return exchange(channel, request);
    }
    Channel& channel = channels_[next_.fetch_add(1, std::memory_order_relaxed) % channel_count];
    const std::lock_guard lock(channel.mutex);
    return exchange(channel, request);
  }

  int life() const noexcept { return channels_[0].fd.get(); }

 private:
  struct Channel {
    std::mutex mutex;
    FileDescriptor fd;
    bool lost = false;  // an answer may still come, and would be taken for another question's
  };

  static Answer exchange(Channel& channel, const Request& request) {
    Answer answer;
    answer.payload = "the key process does not answer";
    if (channel.lost) return answer;
    std::string packet;
    if (send_packet(channel.fd.get(), encode(request))) packet = receive_packet(channel.fd.get());
    channel.lost = packet.empty();
    if (auto decoded = decode_answer(packet)) answer = std::move(*decoded);
    OPENSSL_cleanse(packet.data(), packet.size());
    return answer;
  }

  std::array<Channel, channel_count> channels_;
  std::atomic<std::size_t> next_{0};
};

namespace {

template <class Channels>
class ChannelSigner final : public RemoteSigner {
 public:
  ChannelSigner(std::shared_ptr<Channels> channels, std::uint32_t key) noexcept
      : channels_(std::move(channels)), key_(key) {}
  ~ChannelSigner() override {
    Request request;
    request.operation = Operation::release;
    request.key = key_;
    channels_->ask(request);
  }
  std::string sign(Operation operation, std::uint8_t padding, std::string_view input) const override {
    if (input.size() > largest_input) return {};
    Request request;
    request.operation = operation;
    request.key = key_;
    request.padding = padding;
    request.payload = input;
    Answer answer = channels_->ask(request);
    return answer.outcome == Outcome::done ? std::move(answer.payload) : std::string();
  }

 private:
  std::shared_ptr<Channels> channels_;
  std::uint32_t key_;
};

EvpKeyPtr handed_over(const std::string& private_key) {
  const auto* der = reinterpret_cast<const unsigned char*>(private_key.data());
  return EvpKeyPtr(d2i_AutoPrivateKey(nullptr, &der, static_cast<long>(private_key.size())));
}

}  // namespace

KeyProcess::KeyProcess(pid_t pid, std::shared_ptr<Channels> channels) noexcept
    : pid_(pid), channels_(std::move(channels)) {}

KeyProcess::~KeyProcess() {
  channels_.reset();  // unless keys are still about, the process sees the end and goes
  int status = 0;
  for (int i = 0; i < 200 && ::waitpid(pid_, &status, WNOHANG) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

int KeyProcess::life() const noexcept { return channels_->life(); }

Expected<std::unique_ptr<KeyProcess>> KeyProcess::start(std::vector<std::string> directories) {
  std::array<FileDescriptor, channel_count> ours;
  std::array<int, channel_count> theirs{};
  std::array<FileDescriptor, channel_count> closed_here;
  const timeval limit{answer_limit, 0};
  for (std::size_t i = 0; i < channel_count; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      return Error(Errc::unavailable,
                   std::string("the key process cannot be started: ") + std::strerror(errno));
    ours[i] = FileDescriptor(pair[0]);
    closed_here[i] = FileDescriptor(pair[1]);
    theirs[i] = pair[1];
    ::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  const pid_t pid = ::fork();
  if (pid < 0)
    return Error(Errc::unavailable,
                 std::string("the key process cannot be started: ") + std::strerror(errno));
  if (pid == 0) {
    for (FileDescriptor& end : ours) end.reset();
    keep(theirs, std::move(directories));
  }
  auto channels = std::make_shared<Channels>(std::move(ours));
  return std::unique_ptr<KeyProcess>(new KeyProcess(pid, std::move(channels)));
}

Expected<KeyPtr> KeyProcess::load(const std::string& path, Use use) const {
  Request request;
  request.operation = use == Use::tls ? Operation::load_for_tls : Operation::load;
  request.payload = std::filesystem::absolute(path).lexically_normal().string();
  if (request.payload.size() > largest_path) return Error(Errc::too_long, "a path of over 4096 octets");
  Answer answer = channels_->ask(request);
  if (answer.outcome != Outcome::done) return Error(code_of(answer.outcome), answer.payload);
  auto loaded = decode_loaded(answer.payload);
  OPENSSL_cleanse(answer.payload.data(), answer.payload.size());
  if (!loaded) return Error(Errc::unavailable, "the key process answers what cannot be read");
  if (!loaded->private_key.empty()) {
    EvpKeyPtr here = handed_over(loaded->private_key);
    OPENSSL_cleanse(loaded->private_key.data(), loaded->private_key.size());
    request.operation = Operation::release;
    request.key = loaded->key;
    channels_->ask(request);
    if (!here) return Error(Errc::unavailable, path + ": the key cannot be handed over");
    return hold(std::move(here));
  }
  auto signer = std::make_shared<const ChannelSigner<Channels>>(channels_, loaded->key);
  auto key = std::make_shared<Key>();
  key->tls = remote_key(loaded->public_key, signer);
  key->public_key = loaded->public_key;
  if (key->tls) {
    EVP_PKEY_up_ref(key->tls.get());
    const std::shared_ptr<EVP_PKEY> shared(key->tls.get(), EVP_PKEY_free);
    key->sign = [shared](std::string_view sha256) { return sign_sha256(*shared, sha256); };
  } else {
    key->sign = [signer](std::string_view sha256) -> Expected<std::string> {
      std::string signature = signer->sign(Operation::ed25519, 0, sha256);
      if (signature.empty()) return Error(Errc::unavailable, "the key process does not sign");
      return signature;
    };
  }
  return KeyPtr(std::move(key));
}

}  // namespace sealpost::keys
