# SPDX-License-Identifier: Apache-2.0
"""The small internet that the functional tests and packaging/quickstart run the relay in.

README.md says what is in it and how to add to it.

    table         the domains, read from world.toml: what each one's servers shall be like
    certificates  a private CA and every way of getting a certificate wrong
    tlsa, zones   DNS data for the domains, signed
    servers       real servers (nsd, unbound, nginx, Postfix, Exim, OpenSMTPD): files, start, reload
    peer          the scripted SMTP and HTTPS peer, and dns_peer the resolver that lies
    namespaces    entering the namespaces; init is process 1 inside them
    world         what a test uses: start, change a domain, read mail and transcripts, stop
"""
