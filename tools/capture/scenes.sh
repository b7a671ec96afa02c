# shellcheck shell=bash
# The scenes that tools/capture-corpus records. Each is one function: hosts, recordings, traffic; the words are in lib.sh.
# Bodies are small so that whole frames fit into files that are committed.

# Sourced beside lib.sh, whose row for ORIGIN.tsv uses these.
# shellcheck disable=SC2034

: "${root:?}"
readonly kTraffic=$root/tools/capture/traffic.py

# web HOST ADDRESS [BYTES]: a web server on port 80 with index.html and a file of so many bytes.
web() {
  mkdir -p "/run/web"
  seq -f 'line %05.0f of the page' 1 40 >/run/web/index.html
  seq -f '%07.0f' 1 $((${3:-40000} / 8)) >/run/web/file
  serve "$1" /usr/bin/python3 -m http.server --bind "$2" --directory /run/web 80
  listening "$1" 80
}

scene_ping4() {
  shows="ARP resolution, then echo requests of three sizes, one with a type of service, and their replies"
  traffic="ping -c 3; ping -c 2 -s 1400; ping -c 2 -s 8 -p ff -Q 16"
  pair
  record a eth0 ping4-a.pcapng
  record b eth0 ping4-b.pcap
  on a ping -q -c 3 -i 0.3 192.0.2.2
  on a ping -q -c 2 -i 0.3 -s 1400 192.0.2.2
  on a ping -q -c 2 -i 0.3 -s 8 -p ff -Q 16 192.0.2.2
}

scene_ping4_options() {
  shows="IPv4 options: record route, time stamps of both kinds, through a router"
  ends="a 192.0.2.1, r 192.0.2.254 and 198.51.100.254, b 198.51.100.2"
  traffic="ping -R; ping -T tsonly; ping -T tsandaddr"
  routed
  record a eth0 ping4-options-a.pcapng
  record b eth0 ping4-options-b.pcapng
  on a ping -q -c 2 -i 0.3 -R 198.51.100.2
  on a ping -q -c 2 -i 0.3 -T tsonly 198.51.100.2
  on a ping -q -c 2 -i 0.3 -T tsandaddr 198.51.100.2
}

scene_ping6() {
  shows="duplicate address detection, multicast reports, router solicitation, neighbour discovery, echo to unicast and to all nodes"
  ends="a 2001:db8::1, b 2001:db8::2"
  traffic="ip link set up; ping -6 -c 3; ping -s 1400; ping to the link-local address; ping ff02::1"
  family=6
  hosts a b
  wire a:eth0:0100 b:eth0:0200
  record a eth0 ping6-a.pcapng
  record b eth0 ping6-b.pcap
  address a eth0 2001:db8::1/64
  address b eth0 2001:db8::2/64
  settle6 a b
  on a ping -q -c 3 -i 0.3 2001:db8::2
  on a ping -q -c 2 -i 0.3 -s 1400 2001:db8::2
  on a ping -q -c 2 -i 0.3 fe80::ff:fe00:200%eth0
  on a ping -q -c 2 -i 0.3 ff02::1%eth0
}

scene_arp() {
  shows="gratuitous ARP, an address nobody has, unicast probes of a neighbour that went stale, a changed MAC"
  traffic="ip link set down and up with arp_notify; ping 192.0.2.99; ping with short reachable times; ip link set address"
  pair
  record a eth0 arp-a.pcapng
  on b sysctl -qw net.ipv4.conf.eth0.arp_notify=1
  ip -n b link set eth0 down
  ip -n b link set eth0 up
  sleep 1.5
  on a ping -q -c 1 -W 4 192.0.2.99 || true
  on a sysctl -qw net.ipv4.neigh.eth0.base_reachable_time_ms=1000 net.ipv4.neigh.eth0.delay_first_probe_time=1
  on a ping -q -c 4 -i 1.5 192.0.2.2
  ip -n b link set eth0 address 02:00:00:00:02:99
  sleep 1.5
  on a ping -q -c 2 -i 0.3 192.0.2.2
}

scene_dns() {
  shows="queries and answers over UDP: A, AAAA, MX, TXT, no such name, refused; one answer too long, asked again over TCP"
  traffic="dnsmasq at b; dig at a"
  pair
  local text
  text=$(printf 'x%.0s' {1..200})
  serve b dnsmasq -k -u root -C /dev/null --no-resolv --no-hosts --no-daemon --pid-file=/run/dns.pid --local=/example.test/ \
    --host-record=www.example.test,192.0.2.80,2001:db8::80 --mx-host=example.test,mail.example.test,10 \
    --txt-record=short.example.test,hello --txt-record="big.example.test,$text,$text,$text,$text,$text"
  listening b 53
  record a eth0 dns-a.pcapng
  record b eth0 dns-b.pcap
  local question
  for question in "www.example.test A" "www.example.test AAAA" "example.test MX" "short.example.test TXT" \
    "nobody.example.test A" "elsewhere.invalid A" "-x 192.0.2.80" "big.example.test TXT +noedns"; do
    # shellcheck disable=SC2086  # several words each
    on a dig +tries=1 +time=5 @192.0.2.2 $question >/dev/null
  done
}

scene_dhcp() {
  shows="discover, offer, request, acknowledgement, renewal by unicast, release"
  traffic="dnsmasq at b; busybox udhcpc at a, told to renew and to release"
  ends="a (no address at first), b 192.0.2.2"
  hosts a b
  wire a:eth0:0100 b:eth0:0200
  address b eth0 192.0.2.2/24
  # shellcheck disable=SC2016  # for the script's own shell
  printf '#!/bin/sh\n[ "$1" = bound ] && ip address add "$ip/24" dev "$interface"\ntrue\n' >/run/dhcp-script
  chmod +x /run/dhcp-script
  serve b dnsmasq -k -u root -C /dev/null --port=0 --no-resolv --no-hosts --pid-file=/run/dhcp.pid --no-ping \
    --dhcp-leasefile=/run/leases --dhcp-range=192.0.2.100,192.0.2.150,1h --dhcp-authoritative
  record a eth0 dhcp-a.pcapng
  record b eth0 dhcp-b.pcap
  ip netns exec a busybox udhcpc -f -i eth0 -s /run/dhcp-script -x hostname:a </dev/null &
  local client=$!
  sleep 5
  kill -USR1 "$client"
  sleep 2
  kill -USR2 "$client"
  sleep 1
  kill "$client"
}

scene_ra6() {
  shows="router solicitation and advertisement, an address made from the prefix, DHCPv6 information request"
  traffic="dnsmasq --enable-ra at b; ip link set up at a"
  ends="a (from 2001:db8:1::/64), b 2001:db8:1::1"
  family=6
  hosts a b
  wire a:eth0:0100 b:eth0:0200
  address b eth0 2001:db8:1::1/64
  settle6 b
  ip -n a link set eth0 down
  serve b dnsmasq -k -u root -C /dev/null --port=0 --no-resolv --no-hosts --pid-file=/run/ra.pid --enable-ra \
    --dhcp-leasefile=/run/leases6 --dhcp-range=2001:db8:1::,ra-stateless,64,1h
  record b eth0 ra6-b.pcapng
  ip -n a link set eth0 up
  sleep 7
  on a ping -q -c 1 2001:db8:1::1
}

scene_http() {
  shows="three connections: a page, a file of 40 kB, a page that is not there; every segment within the MTU"
  traffic="python3 -m http.server at b; curl at a"
  pair
  web b 192.0.2.2
  record a eth0 http-a.pcapng
  record b eth0 http-b.pcap
  on a curl -s -o /dev/null http://192.0.2.2/
  on a curl -s -o /dev/null http://192.0.2.2/file
  on a curl -s -o /dev/null http://192.0.2.2/missing
}

scene_http_gso() {
  shows="the same with offloads on: frames longer than the MTU, checksums left to the device"
  traffic="python3 -m http.server at b; curl at a; TSO, GSO, GRO and checksum offload on"
  offloads=on
  pair
  web b 192.0.2.2 60000
  record b eth0 http-gso-b.pcapng
  on a curl -s -o /dev/null http://192.0.2.2/
  on a curl -s -o /dev/null http://192.0.2.2/file
}

scene_http6() {
  shows="a page and a file of 24 kB over IPv6"
  traffic="python3 -m http.server at b; curl at a"
  ends="a 2001:db8::1, b 2001:db8::2"
  pair6
  web b 2001:db8::2 24000
  record a eth0 http6-a.pcapng
  on a curl -s -o /dev/null 'http://[2001:db8::2]/'
  on a curl -s -o /dev/null 'http://[2001:db8::2]/file'
}

scene_ssh() {
  shows="one session: version exchange, keys, login by public key, a command with 2 kB of output"
  traffic="dropbear at b; ssh at a, with keys made for the purpose"
  pair
  mkdir -m 700 /root/.ssh
  dropbearkey -t ed25519 -f /run/hostkey >/dev/null
  ssh-keygen -q -t ed25519 -N '' -C '' -f /run/userkey
  cp /run/userkey.pub /root/.ssh/authorized_keys
  serve b dropbear -F -E -r /run/hostkey -P /run/dropbear.pid -p 192.0.2.2:22
  listening b 22
  record a eth0 ssh-a.pcapng
  record b eth0 ssh-b.pcap
  on a ssh -n -F /dev/null -i /run/userkey -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    root@192.0.2.2 'seq 1 500' >/dev/null
}

scene_iperf3_tcp() {
  shows="a control and a data connection, 64 kB as fast as it goes"
  traffic="iperf3 -s at b; iperf3 -c -n 64K -l 8K at a"
  pair
  serve b iperf3 -s -1 -B 192.0.2.2
  listening b 5201
  record a eth0 iperf3-tcp-a.pcapng
  record b eth0 iperf3-tcp-b.pcap
  on a iperf3 -c 192.0.2.2 -n 64K -l 8K >/dev/null
}

scene_iperf3_tcp_snap() {
  shows="600 kB, only the first 96 bytes of each frame captured, offloads on"
  traffic="iperf3 -s at b; iperf3 -c -n 600K at a; tcpdump -s 96"
  offloads=on
  pair
  serve b iperf3 -s -1 -B 192.0.2.2
  listening b 5201
  record b eth0 iperf3-tcp-snap-b.pcapng -s 96
  on a iperf3 -c 192.0.2.2 -n 600K >/dev/null
}

scene_iperf3_udp() {
  shows="48 datagrams of 1000 bytes at 2 Mb/s, and iperf3's TCP control connection"
  traffic="iperf3 -s at b; iperf3 -c -u -b 2M -l 1000 -n 48000 at a"
  pair
  serve b iperf3 -s -1 -B 192.0.2.2
  listening b 5201
  record a eth0 iperf3-udp-a.pcapng
  record b eth0 iperf3-udp-b.pcap
  on a iperf3 -c 192.0.2.2 -u -b 2M -l 1000 -n 48000 >/dev/null
}

scene_loss() {
  shows="a file of 60 kB over a lossy path: retransmissions, duplicate acknowledgements, SACK; each end sees what the other lost"
  traffic="python3 -m http.server at b; curl at a; netem delay 10ms loss 8% to a, loss 4% to b"
  bridged
  web b 192.0.2.2 60000
  impair port1 delay 10ms loss 8%
  impair port2 delay 10ms loss 4%
  record a eth0 loss-a.pcapng
  record b eth0 loss-b.pcap
  on a curl -s -o /dev/null http://192.0.2.2/file
  on a curl -s -o /dev/null http://192.0.2.2/
}

scene_reorder() {
  shows="a file of 40 kB and 40 numbered datagrams on a path that reorders and duplicates"
  traffic="python3 -m http.server and an echo server at b; curl and datagrams at a; netem delay 10ms reorder 25% 50% duplicate 5%"
  bridged
  web b 192.0.2.2 40000
  serve b "$kTraffic" udp-echo 192.0.2.2 7
  impair port1 delay 10ms reorder 25% 50% duplicate 5%
  impair port2 delay 10ms reorder 25% 50% duplicate 5%
  record a eth0 reorder-a.pcapng
  record b eth0 reorder-b.pcap
  on a curl -s -o /dev/null http://192.0.2.2/file
  on a "$kTraffic" udp-send 192.0.2.2 7 --count 40 --bytes 64 --gap-ms 3
}

scene_ecn() {
  shows="explicit congestion notification: ECT, CE marks in place of loss, ECE and CWR"
  traffic="python3 -m http.server at b; curl at a; net.ipv4.tcp_ecn=1; netem loss 10% ecn to a"
  bridged
  on a sysctl -qw net.ipv4.tcp_ecn=1
  on b sysctl -qw net.ipv4.tcp_ecn=1
  web b 192.0.2.2 70000
  impair port1 delay 5ms loss 10% ecn
  record a eth0 ecn-a.pcapng
  on a curl -s -o /dev/null http://192.0.2.2/file
}

scene_frag4() {
  shows="echo of 4000 and 9000 bytes and datagrams of 5000 bytes, in fragments both ways"
  traffic="ping -s 4000; ping -s 9000; datagrams of 5000 bytes to an echo server"
  pair
  serve b "$kTraffic" udp-echo 192.0.2.2 7
  record a eth0 frag4-a.pcapng
  record b eth0 frag4-b.pcap
  on a ping -q -c 2 -i 0.3 -s 4000 -M dont 192.0.2.2
  on a ping -q -c 1 -s 9000 -M dont 192.0.2.2
  on a "$kTraffic" udp-send 192.0.2.2 7 --count 2 --bytes 5000
}

scene_frag_loss() {
  shows="fragments lost and reordered on the way: reassembly that never ends, answered with time exceeded, code 1"
  traffic="ping -c 8 -s 4000; netem delay 5ms reorder 25% loss 25% to b; net.ipv4.ipfrag_time=2"
  bridged
  on b sysctl -qw net.ipv4.ipfrag_time=2
  impair port2 delay 5ms reorder 25% loss 25%
  record a eth0 frag-loss-a.pcapng
  record b eth0 frag-loss-b.pcap
  on a ping -q -c 8 -i 0.4 -W 4 -s 4000 -M dont 192.0.2.2 || true
  sleep 3
}

scene_frag6() {
  shows="IPv6 fragments: echo of 4000 bytes and datagrams of 5000 bytes"
  traffic="ping -6 -s 4000; datagrams of 5000 bytes to an echo server"
  ends="a 2001:db8::1, b 2001:db8::2"
  pair6
  serve b "$kTraffic" udp-echo 2001:db8::2 7
  record a eth0 frag6-a.pcapng
  on a ping -q -c 2 -i 0.3 -s 4000 2001:db8::2
  on a "$kTraffic" udp-send 2001:db8::2 7 --count 2 --bytes 5000
}

scene_vlan() {
  shows="untagged, 802.1Q tagged and 802.1ad double-tagged echoes and datagrams on one wire"
  traffic="ping on eth0, eth0.100 and eth0.200.300; datagrams on eth0.100"
  ends="a 192.0.2.1, 203.0.113.1, 198.51.100.1; b 192.0.2.2, 203.0.113.2, 198.51.100.2"
  pair
  local host number
  for host in a b; do
    number=$([[ $host == a ]] && echo 1 || echo 2)
    ip -n $host link add link eth0 name eth0.100 type vlan id 100 egress-qos-map 0:3
    ip -n $host link add link eth0 name eth0.200 type vlan proto 802.1ad id 200
    ip -n $host link set eth0.100 up
    ip -n $host link set eth0.200 up
    ip -n $host link add link eth0.200 name inner type vlan id 300
    ip -n $host link set inner up
    address $host eth0.100 "203.0.113.$number/24"
    address $host inner "198.51.100.$number/24"
  done
  serve b "$kTraffic" udp-echo 203.0.113.2 7
  record a eth0 vlan-a.pcapng
  record b eth0 vlan-b.pcap
  on a ping -q -c 2 -i 0.3 192.0.2.2
  on a ping -q -c 2 -i 0.3 203.0.113.2
  on a ping -q -c 2 -i 0.3 198.51.100.2
  on a "$kTraffic" udp-send 203.0.113.2 7 --count 4 --bytes 200
}

scene_icmp_errors() {
  shows="port, host, network and administratively unreachable, time exceeded, fragmentation needed, RST from a closed port"
  ends="a 192.0.2.1, r 192.0.2.254 and 198.51.100.254 (MTU 1280 towards b), b 198.51.100.2"
  traffic="datagrams to a closed port; ping -t 1; ping to an absent host, an unknown and a prohibited network; ping -M do -s 1400; curl"
  routed
  ip -n r link set eth1 mtu 1280
  ip -n r route add prohibit 203.0.113.0/24
  record a eth0 icmp-errors-a.pcap
  record r eth0 icmp-errors-r.1.part.pcap
  record r eth1 icmp-errors-r.2.part.pcap
  on a "$kTraffic" udp-send 198.51.100.2 9 --count 3 --bytes 32 --no-answer
  on a ping -q -c 2 -i 0.3 -t 1 198.51.100.2 || true
  on a ping -q -c 1 -W 4 198.51.100.99 || true
  on a ping -q -c 1 -W 1 100.64.0.1 || true
  on a ping -q -c 1 -W 1 203.0.113.1 || true
  on a ping -q -c 2 -i 0.3 -W 1 -M "do" -s 1400 198.51.100.2 || true
  on a curl -s --max-time 2 http://198.51.100.2/ || true
}

scene_icmp6_errors() {
  shows="IPv6: port unreachable, hop limit exceeded, no route, packet too big, address unreachable"
  ends="a 2001:db8:1::1, r 2001:db8:1::fe and 2001:db8:2::fe (MTU 1280 towards b), b 2001:db8:2::2"
  traffic="datagrams to a closed port; ping -t 1; ping to an unknown network and an absent host; ping -s 1400"
  routed6
  ip -n r link set eth1 mtu 1280
  record a eth0 icmp6-errors-a.pcapng
  on a "$kTraffic" udp-send 2001:db8:2::2 9 --count 2 --bytes 32 --no-answer
  on a ping -q -c 1 -t 1 -W 1 2001:db8:2::2 || true
  on a ping -q -c 1 -W 1 2001:db8:9::1 || true
  on a ping -q -c 1 -W 4 2001:db8:2::99 || true
  on a ping -q -c 3 -i 0.3 -W 1 -M "do" -s 1400 2001:db8:2::2 || true
}

scene_any() {
  shows="a router's view of all its interfaces at once: each forwarded frame twice, cooked headers v2 and v1"
  ends="a 192.0.2.1, r 192.0.2.254 and 198.51.100.254, b 198.51.100.2"
  traffic="ping -c 3 and datagrams to an echo server through r; tcpdump -i any"
  routed
  serve b "$kTraffic" udp-echo 198.51.100.2 7
  record r any any-sll2-r.pcapng
  record r any any-sll-r.pcap -y LINUX_SLL
  on a ping -q -c 3 -i 0.3 198.51.100.2
  on a "$kTraffic" udp-send 198.51.100.2 7 --count 4 --bytes 100
}

scene_tunnel() {
  shows="IP in IP: the inner packets without a link header, and the outer ones on the wire"
  ends="a 192.0.2.1 (inner 203.0.113.1), b 192.0.2.2 (inner 203.0.113.2)"
  traffic="ip tunnel mode ipip; ping -c 3, curl of 10 kB and datagrams inside it"
  pair
  ip -n a tunnel add inner mode ipip local 192.0.2.1 remote 192.0.2.2 ttl 64
  ip -n b tunnel add inner mode ipip local 192.0.2.2 remote 192.0.2.1 ttl 64
  ip -n a link set inner up
  ip -n b link set inner up
  address a inner 203.0.113.1/24
  address b inner 203.0.113.2/24
  web b 203.0.113.2 10000
  serve b "$kTraffic" udp-echo 203.0.113.2 7
  record a inner tunnel-inner-a.pcapng
  record b eth0 tunnel-outer-b.pcap
  on a ping -q -c 3 -i 0.3 203.0.113.2
  on a curl -s -o /dev/null http://203.0.113.2/file
  on a "$kTraffic" udp-send 203.0.113.2 7 --count 4 --bytes 100
}

scene_loopback() {
  shows="the loopback device: no MACs, MTU 65536, checksums never computed; IPv4 and IPv6"
  ends="a 127.0.0.1 and ::1"
  traffic="ping 127.0.0.1 and ::1; datagrams to a closed port; curl of 20 kB"
  family=6
  hosts a
  web a 127.0.0.1 20000
  record a lo loopback-a.pcapng
  on a ping -q -c 2 -i 0.3 127.0.0.1
  on a ping -q -c 2 -i 0.3 ::1
  on a "$kTraffic" udp-send 127.0.0.1 9 --count 1 --bytes 32 --no-answer
  on a curl -s -o /dev/null http://127.0.0.1/file
}

scene_udp() {
  shows="datagrams of 0 to 1472 bytes from four ports to an echo server, some without a checksum"
  traffic="datagrams at a; an echo server at b"
  pair
  serve b "$kTraffic" udp-echo 192.0.2.2 7
  record a eth0 udp-a.pcapng
  record b eth0 udp-b.pcap
  local port
  for port in 40001 40002 40003; do
    on a "$kTraffic" udp-send 192.0.2.2 7 --from-port $port --count 20 --bytes 18
  done
  on a "$kTraffic" udp-send 192.0.2.2 7 --from-port 40004 --count 1 --bytes 0
  on a "$kTraffic" udp-send 192.0.2.2 7 --from-port 40004 --count 4 --bytes 1472
  on a "$kTraffic" udp-send 192.0.2.2 7 --from-port 40004 --count 8 --bytes 33 --no-checksum
}

scene_udp_offload() {
  shows="checksum offload: sent datagrams carry only the pseudo-header's sum"
  traffic="datagrams at a; an echo server at b; tx checksum offload on"
  offloads=on
  pair
  serve b "$kTraffic" udp-echo 192.0.2.2 7
  record a eth0 udp-offload-a.pcapng
  on a "$kTraffic" udp-send 192.0.2.2 7 --count 20 --bytes 64
}

scene_multicast() {
  shows="joining and leaving a group (IGMPv3), multicast and broadcast datagrams"
  traffic="a member of 239.1.2.3 at b; datagrams to 239.1.2.3, 192.0.2.255 and 255.255.255.255 at a"
  pair
  record a eth0 multicast-a.pcapng
  serve b "$kTraffic" udp-join 239.1.2.3 192.0.2.2 5000 --seconds 3
  sleep 1
  on a "$kTraffic" udp-send 239.1.2.3 5000 --from-address 192.0.2.1 --count 4 --bytes 100 --no-answer
  on a "$kTraffic" udp-send 192.0.2.255 5000 --count 2 --bytes 100 --no-answer
  on a "$kTraffic" udp-send 255.255.255.255 5000 --from-address 192.0.2.1 --device eth0 --count 2 --bytes 100 \
    --no-answer
  sleep 3
}

scene_jumbo() {
  shows="MTU 9000: an echo of 8000 bytes and a file of 30 kB in few segments"
  traffic="ping -s 8000; python3 -m http.server at b; curl at a"
  pair
  ip -n a link set eth0 mtu 9000
  ip -n b link set eth0 mtu 9000
  web b 192.0.2.2 30000
  record a eth0 jumbo-a.pcapng
  on a ping -q -c 1 -s 8000 192.0.2.2
  on a curl -s -o /dev/null http://192.0.2.2/file
}

scene_tcp_window() {
  shows="a reader that waits three seconds: the window closes, probes, then an update opens it"
  traffic="24 kB sent at a to a reader at b with a small receive buffer"
  pair
  serve b "$kTraffic" tcp-slow-reader 192.0.2.2 5001 --wait-s 3
  listening b 5001
  record a eth0 tcp-window-a.pcapng
  record b eth0 tcp-window-b.pcap
  on a "$kTraffic" tcp-send 192.0.2.2 5001 --bytes 24000
}

scene_tcp_odd() {
  shows="keepalives, half close, urgent data, reset by linger 0, reset of data for nobody, fast open, an unanswered SYN, a closed port"
  traffic="one short connection for each at a; their other ends at b"
  pair
  on a sysctl -qw net.ipv4.tcp_fastopen=3
  on b sysctl -qw net.ipv4.tcp_fastopen=3
  serve b "$kTraffic" tcp-odd-server 192.0.2.2 5002
  listening b 5002
  record a eth0 tcp-odd-a.pcapng
  record b eth0 tcp-odd-b.pcap
  on a "$kTraffic" tcp-odd-client 192.0.2.2 5002
  ip -n b route add blackhole 192.0.2.1/32
  on a "$kTraffic" tcp-unanswered 192.0.2.2 5002 --seconds 4
}
