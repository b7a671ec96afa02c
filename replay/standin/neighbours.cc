#include "replay/standin/neighbours.h"

#include "stack/core/neighbour.h"

namespace tapedeck::standin {

void AddNeighbour(Lab& lab, const PlanNeighbour& neighbour) {
  if (!neighbour.mac.IsValidStation()) return;
  net& network = lab.host(0).network();
  const bool v4 = neighbour.address.is_v4();
  neigh_table* const table = v4 ? network.arp_tbl : network.nd_tbl;
  const Ipv4Address key4 = v4 ? neighbour.address.v4() : kIpv4Any;
  const void* const key = v4 ? static_cast<const void*>(&key4)
                             : static_cast<const void*>(neighbour.address.v6().bytes().data());
  struct neighbour* const entry = neigh_create(table, key, lab.device(0));
  if (entry == nullptr) return;
  neigh_update(entry, neighbour.mac.bytes().data(), NUD_PERMANENT,
               NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  neigh_release(entry);
}

}  // namespace tapedeck::standin
