"""The breakages: a name, a file, the text that is replaced (it must stand there once), and what takes its place.

Text that ends in a semicolon is a statement, other text an expression.
"""

durable = "src/run/durable.cpp"
restoring = "src/run/restoring.cpp"
journal = "src/run/journal.cpp"
opening = "src/run/journal_open.cpp"
engine = "src/run/engine.cpp"
fan_out = "src/run/fan_out.cpp"
memory = "src/memory/memory_checkpointer.cpp"
ports = "src/ports/checkpointer.cpp"

mutations = [
    # What is written
    ("no_results_of_branches", fan_out, "if (track_ != nullptr && still_running()) co_await keep_results();", ";"),
    ("stored_without_storing", durable, "j.stage(std::move(*write));", ";"),
    ("no_leftovers", durable, "if (auto write = result_of(t)) j.leave(std::move(*write));", ";"),
    ("no_leftover_once", durable,
     """j.leave(PendingWrite(track_->ns, track_->tip.seq, task_key(t) + "/once/" + key, pending_kind::once,
                             std::move(once.bytes)));""", ";"),
    ("once_is_not_committed", durable, "j.commit_once(std::move(write))", "j.drain()"),
    ("no_join_progress", durable, "if (joined_[j].seen(s) == seen) out.string(spec_.nodes[join.sources[s]].name);",
     "if (!seen) out.string(spec_.nodes[join.sources[s]].name);"),
    ("no_deferred", durable, 'list("d", deferred_);', ";"),
    ("send_without_order", durable, "out.unsigned_integer(p.order);", "out.unsigned_integer(1);"),
    ("last_send_lost", durable, "for (const Planned& p : planned) write_planned(out, p);",
     "for (const Planned& p : planned) if (p.order < 2) write_planned(out, p);"),
    ("command_forgotten", durable, "!t.io.targets.empty()", "false"),
    ("status_apart", durable, "j.stage_end(stored_status::completed, {});", ";"),
    ("finished_but_running", durable, "if (last) record.status = stored_status::completed;", ";"),
    ("no_snapshots", journal, "track.head == 0 || track.since + body >= std::max(min_since, track.snapshot)",
     "track.head == 0"),
    ("always_snapshots", journal, "track.since + body >= std::max(min_since, track.snapshot)", "true"),
    ("nothing_consumed", journal, "taken.consume(std::move(ns), seq);", ";"),
    ("async_forgets_the_rest", journal, "!failure && (batch_ || !puts_.empty())", "false"),
    ("async_ignores_failures", journal, "write_failure_ = failure;", ";"),
    ("staged_is_not_loaded", journal, "if (!batch_) co_return chain;", "co_return chain;"),
    ("details_as_they_come", journal,
     "for (auto at = find_invalid_utf8(detail); at != all_valid; at = find_invalid_utf8(detail)) detail[at] = '?';", ";"),
    ("sync_does_not_wait", journal, "mode_ == durability::sync", "false"),
    # What is read
    ("results_not_recalled", restoring, "found != track_->writes.end() && found->second != \"null\"", "false"),
    ("once_not_recalled", restoring, "t.note->once[it->first.substr(prefix.size())] = {it->second, true};", ";"),
    ("joins_not_restored", restoring, 'if (const auto j = in.find("j")) read_joins(*j, renames);', ";"),
    ("deferred_not_restored", restoring, 'if (const auto d = in.find("d")) deferred_ = read_planned(*d, renames);', ";"),
    ("step_counts_from_zero", restoring, "begin(std::move(state));\n  steps_ = first_step_ = step;",
     "begin(std::move(state));\n  first_step_ = step;"),
    ("half_of_a_step", journal, "tasks->elements()", "std::min<std::size_t>(tasks->elements(), 1)"),
    ("child_begins_anew", restoring, "call && call->as_uint64() == track_->tip.seq", "false"),
    ("child_of_another_call", restoring, "call->as_uint64() == track_->tip.seq", "true"),
    ("second_call_forgets", restoring, "first || memory == subgraph_memory::thread", "first"),
    ("thread_memory_forgets", restoring, "input = Journal::rebuild(*child.spec_.ops, *chain);", ";"),
    ("old_graph_accepted", opening, "tip.fingerprint == fingerprint_", "true"),
    # Questions
    ("open_question_runs", restoring, "t.state = Task::State::left;\n    interrupted_ = true;", "return;"),
    ("answered_twice", opening, "q->answer || twice", "false"),
    ("any_answer_will_do", opening, "open != 1", "only == nullptr"),
    ("static_stop_repeats", opening, "given.emplace_back(&q, JsonValue());", ";"),
    ("input_drops_questions", opening,
     "open && newest && run_.config().checkpoint().empty() && !run_.config().discard_interrupts()", "false"),
    ("refused_answer_stays", durable, 'j.leave(Journal::answer_write(*q, j.track("").tip.seq, ""));', ";"),
    # Whose thread it is
    ("queue_jumps", opening, "policy != on_busy::reject", "false"),
    ("no_cancel_of_older", opening, "if (policy == on_busy::cancel_older) older->request_cancel();", ";"),
    ("branch_changes_the_past", opening, "top.pending = false;\n    engine.stage_checkpoint(checkpoint_kind::fork, {});",
     "engine.stage_checkpoint(checkpoint_kind::fork, {});"),
    ("answers_are_not_stored", opening, "stage(answer_write(*q, top.tip.seq, value.dump()));", ";"),
    ("failure_is_not_recorded", opening,
     "if (!ended_) stage_end(*status, failure || own ? describe(failure ? failure : own) : std::string());", ";"),
    # What a storage must refuse, and keep
    ("fencing_ignored", memory, "found == shared_->threads.end() || found->second.epoch != lease.epoch()",
     "found == shared_->threads.end()"),
    ("checksum_ignored", ports, "!r.whole()", "false"),
    ("parents_ignored", ports, "i > 0 && r.parent != records[i - 1].ref()", "false"),
    ("close_does_not_flush", "src/run/closing.cpp",
     "stats.checkpointer = co_await self.flush(\"checkpointer\", checkpointer->flush(), deadline);", ";"),
    ("rename_forgotten", restoring, "if (const auto it = renames.find(name); it != renames.end()) name = it->second;", ";"),
    ("key_of_another_attempt", "src/run/context.cpp",
     'return fmt::format("{:016x}{:016x}", checksum64(text), checksum64(text, 1));',
     'return fmt::format("{:016x}{:016x}", checksum64(text), checksum64(text, 1) + static_cast<unsigned>(attempt()));'),
]
