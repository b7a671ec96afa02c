// Extension headers of IPv6, right and wrong, for the generators.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_EXTENSION_HEADERS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_EXTENSION_HEADERS_H_

#include "replay/differential/case_builder.h"

namespace tapedeck::differential {

// Appends one or more, mostly in an order that RFC 8200 4.1 allows.
void AppendExtensions(CaseBuilder& builder, IpSpec* spec);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_EXTENSION_HEADERS_H_
