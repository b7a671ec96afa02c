#include "tests/bench/lwip_peer.h"

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <string.h>

#define POOL_FRAME_BYTES 512

static struct netif interface;
static struct lwip_peer_counts counts;
static uint8_t sent_frame[2048];
static lwip_peer_transmit on_transmit;
static void* on_transmit_context;
static uint8_t zeros[TCP_MSS];

static err_t transmit(struct netif* netif, struct pbuf* packet) {
  (void)netif;
  if (packet->tot_len > sizeof(sent_frame)) return ERR_BUF;
  pbuf_copy_partial(packet, sent_frame, packet->tot_len, 0);
  ++counts.frames_out;
  if (on_transmit != NULL) on_transmit(on_transmit_context, sent_frame, packet->tot_len);
  return ERR_OK;
}

static err_t set_up(struct netif* netif) {
  netif->name[0] = 'b';
  netif->name[1] = '0';
  netif->output = etharp_output;
  netif->linkoutput = transmit;
  netif->mtu = 1500;
  netif->flags =
      NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

static void count_datagram(const struct pbuf* packet) {
  ++counts.datagrams;
  counts.payload_bytes += packet->tot_len;
}

static void on_sink(void* context, struct udp_pcb* socket, struct pbuf* packet,
                    const ip_addr_t* from, u16_t port) {
  (void)context;
  (void)socket;
  (void)from;
  (void)port;
  count_datagram(packet);
  pbuf_free(packet);
}

static void on_echo(void* context, struct udp_pcb* socket, struct pbuf* packet,
                    const ip_addr_t* from, u16_t port) {
  (void)context;
  count_datagram(packet);
  udp_sendto(socket, packet, from, port);
  pbuf_free(packet);
}

static int serve(uint16_t port, udp_recv_fn on_datagram) {
  struct udp_pcb* socket = udp_new();
  if (socket == NULL || udp_bind(socket, IP4_ADDR_ANY, port) != ERR_OK) return -1;
  udp_recv(socket, on_datagram, NULL);
  return 0;
}

static err_t on_tcp_sink(void* context, struct tcp_pcb* connection, struct pbuf* data,
                         err_t error) {
  (void)context;
  (void)error;
  if (data == NULL) return tcp_close(connection);
  tcp_recved(connection, data->tot_len);
  pbuf_free(data);
  return ERR_OK;
}

static void write_what_fits(struct tcp_pcb* connection) {
  while (tcp_sndbuf(connection) >= TCP_MSS && tcp_sndqueuelen(connection) + 4 < TCP_SND_QUEUELEN &&
         tcp_write(connection, zeros, TCP_MSS, TCP_WRITE_FLAG_COPY) == ERR_OK) {
  }
}

static err_t on_tcp_sent(void* context, struct tcp_pcb* connection, u16_t acknowledged) {
  (void)context;
  (void)acknowledged;
  write_what_fits(connection); /* lwIP sends it when this returns */
  return ERR_OK;
}

static err_t on_tcp_source(void* context, struct tcp_pcb* connection, struct pbuf* data,
                           err_t error) {
  (void)context;
  (void)error;
  if (data == NULL) return tcp_close(connection);
  tcp_recved(connection, data->tot_len);
  pbuf_free(data);
  write_what_fits(connection);
  return tcp_output(connection);
}

static err_t on_tcp_reply(void* context, struct tcp_pcb* connection, struct pbuf* data,
                          err_t error) {
  err_t result;
  (void)context;
  (void)error;
  if (data == NULL) return tcp_close(connection);
  tcp_recved(connection, data->tot_len);
  result = tcp_write(connection, data->payload, data->len, TCP_WRITE_FLAG_COPY);
  pbuf_free(data);
  return result == ERR_OK ? tcp_output(connection) : result;
}

static err_t accept_sink(void* context, struct tcp_pcb* connection, err_t error) {
  (void)context;
  (void)error;
  tcp_recv(connection, on_tcp_sink);
  return ERR_OK;
}

static err_t accept_source(void* context, struct tcp_pcb* connection, err_t error) {
  (void)context;
  (void)error;
  tcp_recv(connection, on_tcp_source);
  tcp_sent(connection, on_tcp_sent);
  return ERR_OK;
}

static err_t accept_reply(void* context, struct tcp_pcb* connection, err_t error) {
  (void)context;
  (void)error;
  tcp_nagle_disable(connection);
  tcp_recv(connection, on_tcp_reply);
  return ERR_OK;
}

static int listen_at(uint16_t port, tcp_accept_fn on_accept) {
  struct tcp_pcb* listener = tcp_new();
  if (listener == NULL || tcp_bind(listener, IP4_ADDR_ANY, port) != ERR_OK) return -1;
  listener = tcp_listen_with_backlog(listener, 64);
  if (listener == NULL) return -1;
  tcp_accept(listener, on_accept);
  return 0;
}

int lwip_peer_start_tcp(uint16_t sink_port, uint16_t source_port, uint16_t reply_port) {
  return listen_at(sink_port, accept_sink) != 0 || listen_at(source_port, accept_source) != 0 ||
                 listen_at(reply_port, accept_reply) != 0
             ? -1
             : 0;
}

void lwip_peer_on_transmit(lwip_peer_transmit call, void* context) {
  on_transmit = call;
  on_transmit_context = context;
}

int lwip_peer_start(const uint8_t mac[6], const uint8_t address[4], uint16_t sink_port,
                    uint16_t echo_port) {
  ip4_addr_t host;
  ip4_addr_t netmask;
  ip4_addr_t gateway;
  memcpy(&host.addr, address, 4);
  IP4_ADDR(&netmask, 255, 255, 255, 0);
  ip4_addr_set_zero(&gateway);
  lwip_init();
  memcpy(interface.hwaddr, mac, 6);
  interface.hwaddr_len = 6;
  if (netif_add(&interface, &host, &netmask, &gateway, NULL, set_up, ethernet_input) == NULL)
    return -1;
  netif_set_default(&interface);
  netif_set_up(&interface);
  return serve(sink_port, on_sink) != 0 || serve(echo_port, on_echo) != 0 ? -1 : 0;
}

int lwip_peer_receive(const uint8_t* frame, size_t frame_bytes) {
  /* Debian's 2.1.3 writes 8 bytes behind a pool buffer that is filled to its end: a pbuf's payload
   * is aligned to 16 bytes, but its header counted as 24. So frames that do not fit one take a
   * block of their own. */
  const pbuf_type type = frame_bytes <= POOL_FRAME_BYTES ? PBUF_POOL : PBUF_RAM;
  struct pbuf* packet = pbuf_alloc(PBUF_RAW, (u16_t)frame_bytes, type);
  if (packet == NULL) return -1;
  pbuf_take(packet, frame, (u16_t)frame_bytes);
  if (interface.input(packet, &interface) != ERR_OK) pbuf_free(packet);
  return 0;
}

const struct lwip_peer_counts* lwip_peer_counted(void) { return &counts; }
