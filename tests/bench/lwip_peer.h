/* Debian's lwIP as a peer: one interface, its raw API, no thread. What the stack is given and what
 * it sends stays in memory. There is one lwIP in a process, so this has no instance. */
#ifndef TAPEDECK_TESTS_BENCH_LWIP_PEER_H_
#define TAPEDECK_TESTS_BENCH_LWIP_PEER_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lwip_peer_counts {
  uint64_t frames_out;    /* each copied once, as a device would */
  uint64_t datagrams;     /* that applications got */
  uint64_t payload_bytes; /* in them */
};

/* Starts the stack with these addresses (network byte order), an application that reads what comes
 * to `sink_port` and one that sends back what comes to `echo_port`. 0, or -1 where lwIP refuses. To
 * be called once. */
int lwip_peer_start(const uint8_t mac[6], const uint8_t address[4], uint16_t sink_port,
                    uint16_t echo_port);

/* Gets each frame that the stack sends; it must not call back into the stack. */
typedef void (*lwip_peer_transmit)(void* context, const uint8_t* frame, size_t frame_bytes);

/* Applications at three TCP ports: one reads all and closes when the peer has, one writes for ever
 * once a byte has come, one answers each request with as many bytes. 0, or -1 where lwIP refuses.
 * To be called once, after lwip_peer_start. */
int lwip_peer_start_tcp(uint16_t sink_port, uint16_t source_port, uint16_t reply_port);

/* Who gets the frames from now on; NULL: they are dropped. */
void lwip_peer_on_transmit(lwip_peer_transmit call, void* context);

/* Copies a frame into a packet buffer, as a driver would, and hands it to the stack. 0, or -1
 * without memory. */
int lwip_peer_receive(const uint8_t* frame, size_t frame_bytes);

const struct lwip_peer_counts* lwip_peer_counted(void);

#ifdef __cplusplus
}
#endif

#endif /* TAPEDECK_TESTS_BENCH_LWIP_PEER_H_ */
