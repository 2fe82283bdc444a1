// SPDX-License-Identifier: Apache-2.0
#include "base/process.hpp"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace sealpost {

std::string process_in_words(const std::string& pid) {
  std::ifstream comm("/proc/" + pid + "/comm");
  std::string name;
  std::getline(comm, name);
  return "pid " + pid + (name.empty() ? std::string() : " (" + name + ")");
}

// Lines as proc(5) has them: "1: FLOCK ADVISORY WRITE 4711 08:02:13108 0 EOF"; with "->" before FLOCK for who waits. The
// device is not compared: some file systems give stat another one.
std::string lock_owner(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {};
  const std::string inode = ":" + std::to_string(status.st_ino);
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    std::istringstream words(line);
    std::string number, kind, strength, access, pid, file;
    words >> number >> kind >> strength >> access >> pid >> file;
    if (kind != "->" && file.ends_with(inode) && pid != "0" && pid != "-1") return process_in_words(pid);
  }
  return {};
}

}  // namespace sealpost
