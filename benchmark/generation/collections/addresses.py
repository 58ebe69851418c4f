"""Which addresses may be reached: public ones, and private ones that were named."""

import ipaddress
import socket
from collections.abc import Iterable

from benchmark.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# all that is handed out for use on the internet; site-local and IPv4-compatible ones are not
_UNICAST = ipaddress.IPv6Network("2000::/3")
# a host with hundreds of dead addresses would be waited for at each
_TRIED = 4


class Forbidden(OSError):
    """A host that resolves to an address which may not be reached."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as "10.0.0.0/8".

    Raises:
        UsageError: not a network.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise UsageError(
                f"Expected a network such as 10.0.0.0/8, but got '{text}' ({error})",
                where="allow_private",
            ) from error
    return tuple(found)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it stands for one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def may_reach(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether an address is public, or in one of the networks named as allowed."""
    inner = _inner(ipaddress.ip_address(address.partition("%")[0]))
    if any(inner in network for network in allowed if network.version == inner.version):
        return True
    if isinstance(inner, ipaddress.IPv6Address) and inner not in _UNICAST:
        return False
    return inner.is_global and not inner.is_multicast


def connect(host: str, port: int, timeout: float, allowed: Iterable[Network] = ()) -> socket.socket:
    """A connection to one of the addresses just checked, so that no second look-up can differ.

    Raises:
        Forbidden: one of the host's addresses may not be reached.
        OSError: unknown host, refused, or timed out.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, target in found:
        if not may_reach(str(target[0]), allowed):
            raise Forbidden(f"{host} is at the private address {target[0]}")
    error: OSError | None = None
    for family, kind, protocol, _, target in found[:_TRIED]:
        made = socket.socket(family, kind, protocol)
        made.settimeout(timeout)
        try:
            made.connect(target)
        except OSError as problem:
            made.close()
            error = problem
        else:
            return made
    raise error or OSError(f"no address of {host}")
