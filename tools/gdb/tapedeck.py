"""Pretty-printers and commands for Tapedeck's structures; see README.md beside it."""
import re

import gdb
import gdb.printing


def number(value):
    return int(value)


class SimTimePrinter:
    """tapedeck::SimTime and Duration: seconds."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        ps = number(self.value["ps"])
        if ps == 2**64 - 1:
            return "never"
        return "%d.%012ds" % (ps // 10**12, ps % 10**12)


class SeqNumPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return str(number(self.value["value_"]))


class BigEndianPrinter:
    """be16, be32: the number that is meant."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        size = self.value.type.sizeof
        raw = gdb.selected_inferior().read_memory(self.value.address, size).tobytes()
        return str(int.from_bytes(raw, "big"))


class Ipv4Printer:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        raw = gdb.selected_inferior().read_memory(self.value.address, 4).tobytes()
        return ".".join(str(byte) for byte in raw)


class MacPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        raw = gdb.selected_inferior().read_memory(self.value.address, 6).tobytes()
        return ":".join("%02x" % byte for byte in raw)


class SkBuffPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        skb = self.value
        return "sk_buff(frame %d, %d B, %d in fragments, protocol 0x%04x, truesize %d, users %d)" % tuple(
            number(skb[name]) for name in ("frame_id", "len", "data_len", "protocol", "truesize", "users"))


class SkBuffHeadPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "sk_buff_head(%d packets)" % number(self.value["qlen"])

    def children(self):
        skb = self.value["next"]
        for i in range(number(self.value["qlen"])):
            yield str(i), skb.dereference()
            skb = skb["next"]


STATES = ["?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
          "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"]


def sock_text(sk):
    state = number(sk["sk_state"])
    return "#%d %s rmem %d/%d wmem %d/%d" % (
        number(sk["sk_id"]), STATES[state] if state < len(STATES) else "?", number(sk["sk_rmem_alloc"]),
        number(sk["sk_rcvbuf"]), number(sk["sk_wmem_alloc"]), number(sk["sk_sndbuf"]))


class SockPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "%s(%s)" % (self.value.type.strip_typedefs().unqualified().tag.split("::")[-1], sock_text(self.value))


class RingPrinter:
    """RxRing and TxRing of the ixgbe driver."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        ring = self.value
        return "%s(%d entries, use %d, clean %d, %d packets)" % (
            ring.type.strip_typedefs().unqualified().tag.split("::")[-1], number(ring["entries"]),
            number(ring["next_to_use"]), number(ring["next_to_clean"]), number(ring["packets"]))


def build_printers():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("tapedeck")
    for name, pattern, printer in (
            ("SimTime", "^tapedeck::(SimTime|Duration)$", SimTimePrinter),
            ("SeqNum", "^tapedeck::SeqNum$", SeqNumPrinter),
            ("be", "^tapedeck::be(16|32|64)$", BigEndianPrinter),
            ("Ipv4Address", "^tapedeck::Ipv4Address$", Ipv4Printer),
            ("MacAddress", "^tapedeck::MacAddress$", MacPrinter),
            ("sk_buff", "^tapedeck::sk_buff$", SkBuffPrinter),
            ("sk_buff_head", "^tapedeck::sk_buff_head$", SkBuffHeadPrinter),
            ("sock", "^tapedeck::(sock|inet_sock|inet_connection_sock|tcp_sock|udp_sock)$", SockPrinter),
            ("ring", "^tapedeck::ixgbe::(RxRing|TxRing)$", RingPrinter)):
        printers.add_printer(name, pattern, printer)
    return printers


HOOK = "tapedeck_event_reached"


def frame_named(name):
    frame = gdb.newest_frame()
    while frame is not None and frame.is_valid():
        if frame.name() is not None and frame.name().split("(")[0].endswith(name):
            return frame
        frame = frame.older()
    return None


class Goto(gdb.Command):
    """tapedeck-goto EVENT: go on to where a later event is told of."""

    def __init__(self):
        super().__init__("tapedeck-goto", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        frame = frame_named(HOOK)
        if frame is None:
            raise gdb.GdbError("not stopped at an event")
        frame.select()
        gdb.execute("set variable *next = %d" % int(argument), to_string=True)
        gdb.execute("continue")


def is_plumbing(name, path):
    """Whether a frame belongs to the trace and to who looks at it. Without debug information there is no path."""
    if "::Trace" in name or "Emit" in name or name == "":
        return True
    if path != "":
        return "replay/" in path or "tools/" in path
    return any(word in name for word in ("Observe", "tapedeck_event_reached", "Recorder", "Digest"))


class Up(gdb.Command):
    """tapedeck-up: to the frame that made the event, out of the trace and the hook."""

    def __init__(self):
        super().__init__("tapedeck-up", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        frame = gdb.newest_frame()
        while frame is not None:
            table = frame.find_sal().symtab
            path = table.filename if table is not None else ""
            name = frame.name() or ""
            if not is_plumbing(name, path):
                frame.select()
                gdb.execute("frame")
                return
            frame = frame.older()
        raise gdb.GdbError("no frame of the stack is under way")


class Skb(gdb.Command):
    """tapedeck-skb SKB: a packet with its headers' places, its sequence numbers and its first bytes."""

    def __init__(self):
        super().__init__("tapedeck-skb", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        skb = gdb.parse_and_eval(argument)
        if skb.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            skb = skb.dereference()
        print(SkBuffPrinter(skb).to_string())
        head = number(skb["head"])
        for header in ("mac_header", "network_header", "transport_header"):
            offset = number(skb[header])
            where = "unset" if offset == 0xffff else "data%+d" % (head + offset - number(skb["data"]))
            print("  %-18s %s" % (header, where))
        linear = number(skb["len"]) - number(skb["data_len"])
        raw = gdb.selected_inferior().read_memory(skb["data"], min(linear, 64)).tobytes()
        print("  data              ", raw.hex(" ", 2))


class Tcp(gdb.Command):
    """tapedeck-tcp SOCK: a connection in a few lines."""

    def __init__(self):
        super().__init__("tapedeck-tcp", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        sk = gdb.parse_and_eval(argument)
        if sk.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            sk = sk.cast(gdb.lookup_type("tapedeck::tcp_sock").pointer()).dereference()
        print("tcp", sock_text(sk))
        for line in (("snd_una", "snd_nxt", "write_seq", "snd_wnd"), ("rcv_nxt", "copied_seq", "rcv_wnd"),
                     ("snd_cwnd", "snd_ssthresh", "packets_out", "sacked_out", "lost_out", "retrans_out"),
                     ("srtt_us", "rttvar_us", "icsk_rto", "icsk_ca_state")):
            print("  " + "  ".join("%s %s" % (name, self.text(sk[name])) for name in line))

    @staticmethod
    def text(value):
        return value["value_"] if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT else number(value)


class Object(gdb.Function):
    """$object("tcp(3)"): the object that `tapedeck debug` has this name for, as a pointer of its type."""

    TYPES = {"tcp": "tcp_sock", "udp": "udp_sock", "sock": "inet_sock", "neigh": "neighbour", "dev": "net_device",
             "rx_ring": "ixgbe::RxRing", "tx_ring": "ixgbe::TxRing", "cpu": "Cpu"}

    def __init__(self):
        super().__init__("object")

    def invoke(self, name):
        text = name.string()
        found = gdb.parse_and_eval('tapedeck_object("%s")' % text)
        if number(found) == 0:
            raise gdb.GdbError("there is no %s now" % text)
        kind = re.sub(r"^host\(\d+\)\.", "", text).split("(")[0]
        return found.cast(gdb.lookup_type("tapedeck::" + self.TYPES[kind]).pointer())


gdb.printing.register_pretty_printer(gdb.current_objfile(), build_printers(), replace=True)
for command in (Goto, Up, Skb, Tcp, Object):
    command()
