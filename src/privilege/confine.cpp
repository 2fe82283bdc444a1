// SPDX-License-Identifier: Apache-2.0
#include "privilege/confine.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/handles.hpp"
#include "privilege/landlock.hpp"

namespace sealpost::privilege {
namespace {

using FilterPtr = std::unique_ptr<void, FreeWith<seccomp_release>>;

// What the key process does once its threads run: read a file, sign, take a packet, send one.
constexpr std::array key_process_calls = {
    "read",        "pread64",      "readv",          "write",        "recvfrom",        "recvmsg",
    "sendto",      "sendmsg",      "futex",          "mmap",         "munmap",          "mremap",
    "brk",         "madvise",      "open",           "openat",       "close",           "fstat",
    "newfstatat",  "stat",         "lseek",          "getrandom",    "getcwd",          "exit",
    "exit_group",  "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "clock_gettime",   "clock_nanosleep",
    "sched_yield", "getpid",       "gettid",         "tgkill",       "set_robust_list", "rseq",
    "poll",        "ppoll",        "restart_syscall"};

// What a mail relay never does, and who has broken into one would.
constexpr std::array never_calls = {
    // another program, other processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "kcmp", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "personality",
    // another identity
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
    "capset",
    // another view of files
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "unshare", "setns", "mknod", "mknodat", "open_by_handle_at",
    "name_to_handle_at", "fanotify_init", "quotactl", "quotactl_fd", "swapon", "swapoff", "acct",
    // the kernel, the clock, the machine
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "iopl", "ioperm", "modify_ldt", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "syslog", "vhangup", "lookup_dcookie",
    "vmsplice", "memfd_create"};

// Sockets of these kinds only: mail, the control socket, and the kernel's list of our own addresses.
constexpr std::array<int, 4> families = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;  // sanitizers trace and fork at the end
#else
constexpr bool sanitized = false;
#endif

bool refuse(scmp_filter_ctx filter, const char* name) noexcept {
  const int number = seccomp_syscall_resolve_name(name);
  // A name that this machine's kernel interface does not have needs no rule.
  return number == __NR_SCMP_ERROR || number < 0 ||
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) == 0;
}

// A call answered with `action` when one argument compares so. libseccomp's macros for this are C, not C++.
bool when(scmp_filter_ctx filter, std::uint32_t action, int call, scmp_arg_cmp argument) noexcept {
  return seccomp_rule_add_array(filter, action, call, 1, &argument) == 0;
}

bool refuse_unless_family(scmp_filter_ctx filter) noexcept {
  // Rules on one argument cannot say "none of these"; ranges between the allowed numbers can.
  std::uint32_t from = 0;
  for (const int family : families) {
    const auto allowed = static_cast<std::uint32_t>(family);
    for (; from < allowed; ++from)
      if (!when(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), {0, SCMP_CMP_EQ, from, 0}))
        return false;
    from = allowed + 1;
  }
  return when(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), {0, SCMP_CMP_GE, from, 0});
}

bool refuse_new_processes(scmp_filter_ctx filter) noexcept {
  // A thread shares memory, a process does not. clone3 hides its flags from the filter: the C library then uses clone.
  return when(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_VM, 0}) &&
         seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

bool refuse_new_code(scmp_filter_ctx filter) noexcept {
  constexpr scmp_arg_cmp executable{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC};
  return when(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), executable) &&
         when(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(pkey_mprotect), executable) &&
         when(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), executable) &&
         when(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(shmat), {2, SCMP_CMP_MASKED_EQ, SHM_EXEC, SHM_EXEC});
}

bool load(scmp_filter_ctx filter) noexcept {
  return seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && seccomp_load(filter) == 0;
}

std::string filter_relay() {
  if (sanitized) return "off: built with a sanitizer";
  const FilterPtr filter(seccomp_init(SCMP_ACT_ALLOW));
  bool good = filter != nullptr;
  for (const char* name : never_calls) good = good && refuse(filter.get(), name);
  good = good && refuse_unless_family(filter.get()) && refuse_new_processes(filter.get()) &&
         refuse_new_code(filter.get());
  if (!good) return "off: the filter cannot be made";
  if (!load(filter.get())) return std::string("off: the kernel does not take it: ") + std::strerror(errno);
  return "in force";
}

}  // namespace

void forbid_dumps() noexcept {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool confine_key_process() noexcept {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  if (sanitized) return true;
  const FilterPtr filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return false;
  for (const char* name : key_process_calls) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) continue;
    const bool open = std::strcmp(name, "open") == 0, openat = std::strcmp(name, "openat") == 0;
    const bool added =
        open || openat ? when(filter.get(), SCMP_ACT_ALLOW, number,
                              {open ? 1U : 2U, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY})
                       : seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0) == 0;
    if (!added) return false;
  }
  return load(filter.get());
}

Walls confine_relay(const std::vector<std::string>& writable) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  Walls walls;
  walls.landlock = sanitized ? "off: built with a sanitizer" : write_only_in(writable);
  walls.seccomp = filter_relay();
  return walls;
}

}  // namespace sealpost::privilege
