# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""All servers that the tests start; nothing else under ``tests`` listens.

Which to choose:

:mod:`~tests.servers.scripted`
    A Glance in the process of the test, whose every response can be changed:
    cut, reset, delayed, replaced by bytes that are no HTTP. For what no
    correct server does on demand. It also stands for the web server behind
    Glance's ``http`` store.
:mod:`~tests.servers.control`
    The same in a process of its own, with many images, controlled over HTTP.
    For tests that look at the threads, sockets and descriptors of their own
    process, or that fork, or that run under eventlet or gevent.
:mod:`~tests.servers.cloud`
    A real Keystone and a real Glance. For all that depends on how they
    behave. ``python -m tests.servers.cloud`` starts them for a person.
:mod:`~tests.servers.fault_proxy`
    A network that breaks, between a client and the real Glance.
:mod:`~tests.servers.upload_glance`
    A Glance that images are uploaded to, in the process of the test, and that
    misbehaves on demand.
:mod:`~tests.servers.upload_proxy`
    A network that breaks, between a client that uploads and the real Glance.
:mod:`~tests.servers.tls_proxy`
    An HTTPS proxy, for sockets of TLS within TLS.

:mod:`~tests.servers.server` has the sockets of the scripted ones,
:mod:`~tests.servers.responses` the protocol, :mod:`~tests.servers.images` the
data that server and client derive from a seed,
:mod:`~tests.servers.certificates` what TLS needs.

The proxies are servers of their own and no scripts: one hands on what the real
Glance sends, the other one what it cannot read.
"""
