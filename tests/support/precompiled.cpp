// SPDX-License-Identifier: MIT
// Owner of the precompiled header of the tests.
#include "support/precompiled.hpp"
