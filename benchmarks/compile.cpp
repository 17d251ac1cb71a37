// SPDX-License-Identifier: MIT
// compile(K): building a large graph and freezing it.
#include "workloads.hpp"

namespace bench {

void compile(Session& session) {
  session.measure(Case{.workload = "compile(1000)",
                       .variant = "chain",
                       .unit = "graph",
                       .run =
                           [](long n) {
                             for (long i = 0; i < n; ++i)
                               verify(chain(1000, add_one).spec()->nodes.size() == 1000, "compile: the nodes");
                           },
                       .target = {.ns = 3e6}});
  session.measure(Case{.workload = "compile(500)", .variant = "wide", .unit = "graph", .run = [](long n) {
                         for (long i = 0; i < n; ++i)
                           verify(fan_graph(500, branch::immediate).compile().spec()->nodes.size() == 501,
                                  "compile: the nodes");
                       }});
}

}  // namespace bench
