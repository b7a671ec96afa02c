// Lifetimes of addresses: preferred, deprecated, gone (RFC 4862 5.5.4; addrconf_verify_rtnl).
#include <algorithm>

#include "stack/ipv6/addrconf_internal.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint64_t kCheckSeconds = 120;  // ADDR_CHECK_FREQUENCY

// The next whole second behind `j` (round_jiffies_up).
Jiffies RoundUp(net& net, Jiffies j) { return j - j % Hz(net) + Hz(net); }

bool LivesForEver(const inet6_ifaddr* ifp) {
  return (ifp->flags & IFA_F_PERMANENT) != 0 && ifp->prefered_lft == kInfinityLifeTime;
}

enum class Step : uint8_t {
  kNone,
  kRestart,  // addresses came or went: look from the beginning
};

// One pass over all addresses at one time.
class Verifier {
 public:
  explicit Verifier(netns_ipv6& ns)
      : ns_(ns),
        net_(ns.host_net),
        now_(net_.jiffies()),
        next_(RoundUp(net_, now_ + kCheckSeconds * Hz(net_))) {}

  // Returns whether an address is left that time changes.
  bool Run() {
    for (inet6_ifaddr*& bucket : ns_.addr_buckets) {
      for (inet6_ifaddr* ifp = bucket; ifp != nullptr;) {
        ifp = Verify(ifp) == Step::kRestart ? bucket : ifp->hash_next;
      }
    }
    return mortal_;
  }

  Jiffies next() const { return next_; }

 private:
  Jiffies EndOf(const inet6_ifaddr* ifp, uint32_t seconds) const {
    return ifp->tstamp + Jiffies{seconds} * Hz(net_);
  }
  void NotLaterThan(Jiffies when) { next_ = std::min(next_, when); }

  // A temporary address that will soon be deprecated gets a successor.
  Step Regenerate(inet6_ifaddr* ifp, uint64_t age) {
    const uint32_t advance = ipv6_get_regen_advance(ifp->idev);
    if (age + advance < ifp->prefered_lft) {
      NotLaterThan(EndOf(ifp, ifp->prefered_lft) - Jiffies{advance} * Hz(net_));
      return Step::kNone;
    }
    NotLaterThan(EndOf(ifp, ifp->prefered_lft));
    inet6_ifaddr* const ifpub = ifp->ifpub;
    ++ifp->regen_count;
    ++ifp->refcnt;
    ++ifpub->refcnt;
    ifpub->regen_count = 0;
    ipv6_create_tempaddr(ifpub);
    in6_ifa_put(ifpub);
    in6_ifa_put(ifp);
    return Step::kRestart;
  }

  Step Verify(inet6_ifaddr* ifp) {
    if (LivesForEver(ifp)) return Step::kNone;
    mortal_ = mortal_ || ifp->valid_lft != kInfinityLifeTime ||
              ((ifp->flags & IFA_F_DEPRECATED) == 0 && ifp->prefered_lft != kInfinityLifeTime);
    const uint64_t age = (now_ - ifp->tstamp + FuzzMinus(net_)) / Hz(net_);
    constexpr uint32_t kTempBits = IFA_F_TEMPORARY | IFA_F_TENTATIVE;
    if ((ifp->flags & kTempBits) == IFA_F_TEMPORARY && ifp->prefered_lft != kInfinityLifeTime &&
        ifp->regen_count == 0 && ifp->ifpub != nullptr && Regenerate(ifp, age) == Step::kRestart) {
      return Step::kRestart;
    }
    if (ifp->valid_lft != kInfinityLifeTime && age >= ifp->valid_lft) {
      ++ifp->refcnt;
      ipv6_del_addr(ifp);
      return Step::kRestart;
    }
    if (ifp->prefered_lft == kInfinityLifeTime) return Step::kNone;
    if (age < ifp->prefered_lft) {
      NotLaterThan(EndOf(ifp, ifp->prefered_lft));
      return Step::kNone;
    }
    if (ifp->valid_lft != kInfinityLifeTime) NotLaterThan(EndOf(ifp, ifp->valid_lft));
    if ((ifp->flags & IFA_F_DEPRECATED) != 0) return Step::kNone;
    ifp->flags |= IFA_F_DEPRECATED;
    ipv6_ifa_notify(IfaEvent::kChanged, ifp);
    return Step::kRestart;
  }

  netns_ipv6& ns_;
  net& net_;
  Jiffies now_;
  Jiffies next_;
  bool mortal_ = false;
};

}  // namespace

AddrCheckTimer::AddrCheckTimer() : TimerList(addrconf_verify_timer) {}

namespace addrconf_internal {

void addrconf_verify(net& net) {
  AddrCheckTimer& timer = net_ipv6(net).addr_chk_timer;
  // A successor's DAD that ends at once asks for what is being done.
  timer.again = true;
  if (timer.verifying) return;
  timer.verifying = true;
  timer_delete(&timer);
  bool mortal = false;
  Jiffies next = 0;
  while (timer.again) {
    timer.again = false;
    Verifier verifier(net_ipv6(net));
    mortal = verifier.Run();
    next = verifier.next();
  }
  timer.verifying = false;
  // The kernel looks every two minutes at least; a host whose addresses live for ever has nothing
  // to look at.
  if (!mortal) return;
  // On a whole second where that is near enough, and never sooner than after one.
  const Jiffies rounded = RoundUp(net, next);
  const Jiffies when = rounded < next + Hz(net) / 4 ? rounded : next;
  mod_timer(net.this_cpu(), &timer, std::max(when, net.jiffies() + Hz(net)));
}

void addrconf_verify_timer(TimerList* timer) {
  addrconf_verify(static_cast<AddrCheckTimer*>(timer)->ns->host_net);
}

}  // namespace addrconf_internal

}  // namespace tapedeck
