// SPDX-License-Identifier: MIT
// Private: the tables, and how older ones become the present ones.
#pragma once

#include "sqlite/connection.hpp"

namespace agentflow::detail {

/// The version of the tables that this release writes.
inline constexpr int sqlite_schema_version = 1;

/// Makes or upgrades the tables in one transaction. Throws storage_version for a file of a newer release, or one that
/// is not ours.
void migrate(SqliteConnection& db);

}  // namespace agentflow::detail
