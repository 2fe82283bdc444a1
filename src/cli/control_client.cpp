// SPDX-License-Identifier: Apache-2.0
#include "cli/control_client.hpp"

#include <curl/curl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/handles.hpp"

namespace sealpost::cli {
namespace {

constexpr long most_seconds = 90;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

int exit_code_for(long status) noexcept {
  switch (status) {
    case 400: return EX_DATAERR;
    case 404: return EX_NOINPUT;
    case 409:
    case 503:
    case 504: return EX_TEMPFAIL;
    default: return EX_SOFTWARE;
  }
}

std::string user_name(uid_t id) {
  const passwd* user = ::getpwuid(id);
  return user != nullptr ? std::string("user ") + user->pw_name : "user " + std::to_string(id);
}

// The nearest folder on the way that is there, for whose it is.
std::filesystem::path nearest_folder(const std::string& socket, std::error_code& error) {
  std::filesystem::path folder = std::filesystem::absolute(socket, error).parent_path();
  struct stat status {};
  while (folder.has_relative_path() && ::lstat(folder.c_str(), &status) != 0) folder = folder.parent_path();
  return folder;
}

ControlError closed(const std::string& socket) {
  struct stat status {};
  std::error_code error;
  const bool seen = ::stat(socket.c_str(), &status) == 0;
  const std::string owner =
      seen || ::stat(nearest_folder(socket, error).c_str(), &status) == 0 ? user_name(status.st_uid) : "";
  return {EX_NOPERM,
          "the control socket " + socket + " is closed to " + user_name(::geteuid()) +
              (owner.empty() ? "" : "; it belongs to " + owner),
          "run the command as that user, or as root"};
}

// Why nobody answers: no relay, the wrong path, or no right to ask are three things with three remedies.
ControlError no_answer(const std::string& socket, const std::string& otherwise) {
  const std::string start =
      "start it with 'sealpost run' and the same --config, or name the socket of the one that runs with "
      "--socket";
  struct stat status {};
  if (::stat(socket.c_str(), &status) != 0) {
    if (errno == EACCES) return closed(socket);
    std::error_code error;
    const auto folder = std::filesystem::absolute(socket, error).parent_path();
    if (!std::filesystem::exists(folder, error))
      return {EX_UNAVAILABLE,
              "there is no control socket " + socket + ": not even the folder " + folder.string(),
              "is this the right configuration (--config), read from the right place? A data_dir that is no "
              "whole path "
              "begins where the command is run"};
    return {EX_UNAVAILABLE, "no relay runs here: there is no control socket " + socket, start};
  }
  if (!S_ISSOCK(status.st_mode))
    return {EX_UNAVAILABLE, socket + " is no socket", "name the relay's control socket with --socket"};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path)
    return {EX_UNAVAILABLE, "the path " + socket + " is longer than that of a socket may be", ""};
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool connects =
      fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!connects && (errno == EACCES || errno == EPERM)) return closed(socket);
  if (!connects && errno == ECONNREFUSED)
    return {EX_UNAVAILABLE, "no relay runs here: nobody listens on " + socket + " any more", start};
  return {EX_UNAVAILABLE, "the relay does not answer on " + socket + ": " + otherwise,
          "its log may say why; 'sealpost status' tries again"};
}

}  // namespace

Json to_json(const ControlError& error) {
  Json object{{"error", error.message}, {"exit_code", error.exit_code}};
  if (!error.remedy.empty()) object["remedy"] = error.remedy;
  return object;
}

Expected<Json, ControlError> ask_relay(const std::string& socket, const std::string& name,
                                       const Json& arguments) {
  if (socket.empty())
    return Unexpected(
        ControlError{EX_CONFIG, "the configuration does not say where the relay's control socket is",
                     "'sealpost check' says what is wrong with it; or name the socket with --socket"});
  const std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>> curl(curl_easy_init());
  const std::string url = "http://relay/v1/" + name;
  const std::string body = arguments.dump();
  std::string answer;
  CURL* handle = curl.get();
  curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, most_seconds);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &collect);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
  const std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>> headers(
      curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/json"), "Expect:"));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) {
    return Unexpected(no_answer(socket, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  Json value = Json::parse(answer, nullptr, false);
  if (value.is_discarded())
    return Unexpected(ControlError{EX_SOFTWARE, "the relay's answer on " + socket + " is not JSON", ""});
  if (status >= 400) {
    return Unexpected(ControlError{exit_code_for(status), value.value("error", std::string("refused")),
                                   value.value("remedy", std::string())});
  }
  return value;
}

}  // namespace sealpost::cli
