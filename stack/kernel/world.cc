#include "stack/kernel/world.h"

#include "stack/kernel/cpu.h"

namespace tapedeck {

World::World(Arena& arena, uint64_t seed, TraceSink* sink)
    : arena_(arena),
      sink_(sink),
      seed_(seed),
      kmalloc_(arena),
      packets_(arena),
      device_events_(kmalloc_),
      cpu_events_(kmalloc_) {}

void World::AddCpu(Cpu* cpu) {
  CHECK_LT(cpu_count_, kCpusMax);
  cpus_[cpu_count_++] = cpu;
}

bool World::idle() const {
  if (cpu_running_) return false;
  for (int i = 0; i < cpu_count_; ++i) {
    if (cpus_[i]->runnable()) return false;
  }
  return true;
}

bool World::Step(SimTime limit) {
  // Devices first at equal times, as their events' kinds say; a CPU runs what has reached it before
  // the next event.
  const SimTime device_time = device_events_.next_time();
  const SimTime cpu_time = cpu_events_.next_time();
  EventQueue& queue = device_time <= cpu_time ? device_events_ : cpu_events_;
  const SimTime event_time = Earlier(device_time, cpu_time);

  Cpu* behind = nullptr;
  SimTime behind_time = SimTime::Never();
  for (int i = 0; i < cpu_count_; ++i) {
    const SimTime time = cpus_[i]->next_time();
    if (time < behind_time) {
      behind = cpus_[i];
      behind_time = time;
    }
  }
  // An event at the very time of a CPU happens first: what reaches the CPU at t is seen by code
  // that runs at t.
  if (behind != nullptr && behind_time < event_time) {
    if (behind_time > limit) return false;
    ++steps_;
    cpu_running_ = true;
    behind->RunOne();
    cpu_running_ = false;
    return true;
  }
  if (event_time > limit || event_time == SimTime::Never()) return false;
  ++steps_;
  now_ = Later(now_, event_time);
  queue.RunNext();
  return true;
}

void World::RunUntil(SimTime end) {
  while (Step(end)) {
  }
  now_ = Later(now_, end);
}

bool World::RunUntilIdle(SimTime limit) {
  while (Step(limit)) {
  }
  return device_events_.empty() && cpu_events_.empty() && idle();
}

}  // namespace tapedeck
