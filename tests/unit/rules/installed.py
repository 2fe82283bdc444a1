#!/usr/bin/env python3
"""libsealpost as somebody else gets it: installed, found by pkg-config, built against by a program that knows nothing
else of sealpost; and the rules do no I/O, which their undefined symbols show.

installed.py BUILD EXAMPLE COMPILER... [-- FLAGS...]
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Symbols by which code reads, writes, waits, looks at clocks or starts something. What the library needs besides is the
# C++ library and the plain functions of libc on memory and text.
IO = re.compile(
    r"^(open|creat|read|write|pread|pwrite|readv|writev|recv|send|socket|connect|bind|listen|accept|poll|select|epoll_"
    r"|fopen|fread|fwrite|fdopen|freopen|popen|system|fork|vfork|exec|posix_spawn|pthread_create|dlopen|mmap|ioctl|unlink"
    r"|rename|stat|lstat|fstat|getaddrinfo|gethostby|res_|time$|clock_gettime|gettimeofday|nanosleep|usleep|sleep"
    r"|sqlite3_|SSL_|EVP_|BIO_|X509_|event_|evbuffer_|ares_|curl_|idn2_"
    r"|_ZNSt6chrono3_V21[23](system|steady)_clock3now|_ZNSt6thread|.*basic_[io]?fstream|.*basic_filebuf|_ZNSt10filesystem)")


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    build, example, *compiler = sys.argv[1:]
    flags = []
    if "--" in compiler:
        at = compiler.index("--")
        compiler, flags = compiler[:at], compiler[at + 1:]
    with tempfile.TemporaryDirectory() as folder:
        run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--tags", "devel", "--destdir", folder])
        root = pathlib.Path(folder)
        described = next(root.rglob("libsealpost.pc"))
        library = next(root.rglob("libsealpost.a"))
        environment = dict(os.environ, PKG_CONFIG_LIBDIR=str(described.parent), PKG_CONFIG_SYSROOT_DIR=folder)
        needed = run(["pkg-config", "--cflags", "--libs", "--static", "libsealpost"], env=environment).split()
        libraries = [word for word in needed if word.startswith("-l")]
        if libraries != ["-lsealpost"]:
            sys.exit(f"libsealpost must need nothing else, but pkg-config says {' '.join(libraries)}")

        program = root / "program"
        # The whole archive, so that what the example does not call must be there as well.
        whole = ["-Wl,--whole-archive" if word == "-lsealpost" else None for word in needed]
        linked = [part for word, before in zip(needed, whole)
                  for part in ([before, word, "-Wl,--no-whole-archive"] if before else [word])]
        run([*compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", *flags, example, *linked, "-o", str(program)])
        said = run([str(program)])
        wanted = "refuse: TLS required by the MTA-STS policy of example.net, not offered by mx1.example.net"
        if wanted not in said.splitlines():
            sys.exit(f"the example says\n{said}and not\n{wanted}")

        undefined = {line.split()[-1] for line in run(["nm", "--undefined-only", str(library)]).splitlines()
                     if line.strip().startswith("U ")}
        found = sorted(name for name in undefined if IO.match(name))
        if found:
            sys.exit(f"the rules do no I/O, but they call {', '.join(found)}")
        if not undefined:
            sys.exit("nm shows nothing of the library")
    print(said, end="")


main()
