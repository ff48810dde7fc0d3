#include "tests/simulation/cluster/history.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "runtime/base/checksum.h"
#include "tests/simulation/cluster/content.h"

namespace ironbark::simulation {
namespace {

using Fate = SentRecord::Fate;

constexpr size_t lines_max = 60;  // what a person reads of a failed run

Path receipt_path(Acks level) {
    switch (level) {
        case Acks::leader: return Path::receipt_leader;
        case Acks::leader_durable: return Path::receipt_leader_durable;
        case Acks::isr: return Path::receipt_isr;
        case Acks::isr_durable: return Path::receipt_isr_durable;
        case Acks::none:
        case Acks::topic: break;
    }
    return Path::receipt_none;
}

std::string place(const PartitionIdentity& partition, int64_t offset) {
    return partition.to_string().substr(0, 8) + "/" + std::to_string(partition.partition.value) + "@" +
           std::to_string(offset);
}

std::string range_of(const std::vector<FinalRecord>& log, int64_t start) {
    return std::to_string(log.size()) + " records from " + std::to_string(start) + " on";
}

std::vector<FinalRecord> part_from(std::vector<FinalRecord> log, int64_t offset) {
    std::erase_if(log, [offset](const FinalRecord& record) { return record.offset < offset; });
    return log;
}

std::string named(uint64_t number) {
    return "r" + std::to_string(number);
}

}  // namespace

void History::say(const std::string& who, const std::string& what) {
    char time[32];
    std::snprintf(time, sizeof(time), "%10.6f s  ", static_cast<double>(simulation_.elapsed().count()) / 1e9);
    std::string line = time + who + ": " + what;
    simulation_.record(TraceKind::told, 0, xxh3(as_bytes(line), 0));
    if (is_loud_) std::fprintf(stderr, "%s\n", line.c_str());
    lines_.push_back(std::move(line));
    if (lines_.size() > lines_max) lines_.pop_front();
}

std::string History::last_lines() const {
    std::string text;
    for (const std::string& line : lines_) text += "  " + line + "\n";
    return text;
}

void History::fail(const std::string& expected, const std::string& seen) const {
    simulation_.fail("a promise is broken\n  expected: " + expected + "\n  seen:     " + seen);
}

void History::send(const std::string& who, SentRecord record) {
    ++counts_.sent;
    record.sent = simulation_.now();
    record.durable_before = partitions_[record.partition].durable_end;
    ++open_[record.producer];
    say(who, "sends " + named(record.number) + " to " + place(record.partition, -1) +
                 " acks=" + ironbark::name(record.asked));
    records_.emplace(record.number, std::move(record));
}

void History::settle(SentRecord& record, Fate fate) {
    if (record.fate != Fate::open) fail("a record is resolved once", named(record.number) + " is resolved again");
    record.fate = fate;
    record.settled = simulation_.now();
    --open_[record.producer];
}

void History::refused(const std::string& who, uint64_t number, const Failure& failure) {
    ++counts_.refused;
    say(who, named(number) + " is not accepted: " + failure.to_string());
    SentRecord& refused_record = record(number);
    settle(refused_record, Fate::not_written);
    if (failure.outcome != Outcome::not_written)
        fail("a record that is not accepted is not written", failure.to_string());
    if (refused_record.was_shown) fail(named(number) + " was shown to a consumer", "it is not accepted");
}

Told History::told_by(const PartitionIdentity& partition, Acks level, int32_t epoch) const {
    Told told;
    told.epoch = epoch;
    told.is_on_leaders_disk = level == Acks::leader_durable || level == Acks::isr_durable;
    told.is_replicated = level == Acks::isr || level == Acks::isr_durable;
    told.is_durable = level == Acks::isr_durable || (told.is_on_leaders_disk && excuses_.is_single(partition));
    return told;
}

// What one replica alone acknowledges needs a lease, and nobody else leads before that has run out. (What all in sync
// acknowledge needs none: whoever is to lead is one of them.)
void History::check_lease(const SentRecord& sent, const Receipt& receipt) const {
    const bool is_of_one = receipt.level == Acks::leader || receipt.level == Acks::leader_durable;
    if (!is_of_one || receipt.duplicate) return;
    if (!excuses_.is_followed(sent.partition, receipt.leader_epoch, sent.sent)) return;
    fail(named(sent.number) + " was sent after somebody led in a later epoch than " +
             std::to_string(receipt.leader_epoch),
         "a leader of that epoch has acknowledged it");
}

void History::resolved(const std::string& who, uint64_t number, const Expected<Receipt>& result) {
    SentRecord& sent = record(number);
    if (result.ok()) {
        const Receipt& receipt = *result;
        ++counts_.written;
        counts_.duplicates += receipt.duplicate ? 1 : 0;
        atlas_.note(receipt_path(receipt.level));
        if (receipt.duplicate) atlas_.note(Path::receipt_duplicate);
        say(who, named(number) + " is written at " + place(sent.partition, receipt.offset) + " epoch " +
                     std::to_string(receipt.leader_epoch) + " level " + ironbark::name(receipt.level) +
                     (receipt.duplicate ? " (found written)" : ""));
        settle(sent, Fate::written);
        const Told told = told_by(sent.partition, receipt.level, receipt.leader_epoch);
        counts_.written_durable += told.is_durable ? 1 : 0;
        sent.told = told;
        sent.has_no_place = receipt.offset < 0 && sent.asked != Acks::none;
        if (receipt.offset < 0) return;
        sent.told_at = receipt.offset;
        bool is_short = (sent.asked == Acks::isr_durable && !told.is_durable) ||
                        (sent.asked == Acks::leader_durable && !told.is_on_leaders_disk) ||
                        (sent.asked == Acks::isr && !told.is_replicated && !excuses_.is_single(sent.partition));
        if (is_short) {
            fail(std::string("a receipt of level ") + ironbark::name(sent.asked),
                 named(number) + ": " + ironbark::name(receipt.level));
        }
        check_lease(sent, receipt);
        claim(who, sent, receipt.offset, told);
        return;
    }
    const Failure& failure = result.error();
    say(who, named(number) + " fails: " + failure.to_string());
    bool is_certain = failure.outcome == Outcome::not_written;
    settle(sent, is_certain ? Fate::not_written : Fate::unknown);
    ++(is_certain ? counts_.not_written : counts_.unknown);
    atlas_.note(is_certain ? Path::not_written : Path::unknown);
    if (is_certain && sent.was_shown) fail(named(number) + " was shown to a consumer", failure.to_string());
}

std::vector<SentRecord*> History::acknowledged(uint64_t producer, const PartitionIdentity& partition) {
    std::vector<SentRecord*> found;
    for (auto& [number, sent] : records_) {
        bool is_of_it = sent.producer == producer && sent.partition == partition;
        if (is_of_it && sent.fate == Fate::written && !sent.is_lost) found.push_back(&sent);
    }
    return found;
}

void History::check_may_be_lost(const SentRecord& sent) const {
    if (sent.durable_at) fail(named(sent.number) + " is durable", "its producer is told that it is lost");
    if (!may_be_undone(sent, sent.told)) {
        fail(named(sent.number) + " is in the log", "its producer is told that it is lost");
    }
    if (!sent.told_at) return;
    const Partition& partition = partitions_.at(sent.partition);
    auto claim = partition.claims.find(*sent.told_at);
    if (claim == partition.claims.end() || claim->second.number != sent.number) return;
    if (!is_durable(partition, *sent.told_at, claim->second)) return;
    fail(named(sent.number) + " stands before what is durable", "its producer is told that it is lost");
}

void History::lost(const std::string& who, uint64_t producer, const PartitionIdentity& name, const Loss& loss) {
    ++counts_.losses;
    atlas_.note(loss.is_fatal ? Path::loss_fatal : Path::loss);
    std::string text = std::to_string(loss.records) + " records of " + place(name, loss.first_offset) + ".." +
                       std::to_string(loss.last_offset) + ", level " + ironbark::name(loss.level) +
                       (loss.is_final ? ", final" : "") + (loss.is_fatal ? ", fatal" : "");
    say(who, "is told that it has lost " + text);
    if (partitions_[name].is_damaged || is_beyond_judgement(name)) return;
    std::vector<SentRecord*> told = acknowledged(producer, name);
    if (loss.records <= 0 || told.size() < static_cast<size_t>(loss.records)) {
        fail("a loss of some of " + std::to_string(told.size()) + " records", who + " is told of " + text);
    }
    // In a cluster it may be excused: by the loss of as many memories as the level does not survive.
    if (loss.is_fatal && !excuses_.has_cluster()) {
        fail("what every in-sync replica has is not lost", who + " is told of " + text);
    }
    told.erase(told.begin(), told.end() - static_cast<std::ptrdiff_t>(loss.records));
    if (loss.first_offset >= 0 && told.front()->told_at.value_or(-1) != loss.first_offset) {
        fail("the first one is " + named(told.front()->number), who + " is told of " + text);
    }
    if (loss.last_offset >= 0 && told.back()->told_at.value_or(loss.last_offset) != loss.last_offset) {
        fail("the last one is " + named(told.back()->number), who + " is told of " + text);
    }
    for (SentRecord* sent : told) {
        check_may_be_lost(*sent);
        sent->is_lost = true;
        sent->is_lost_for_good = loss.is_final || !excuses_.has_cluster();
        sent->lost_at = simulation_.now();
    }
    counts_.records_lost += told.size();
}

void History::producer_died(uint64_t producer) {
    for (auto& [number, sent] : records_) {
        if (sent.producer != producer || sent.fate != Fate::open) continue;
        settle(sent, Fate::unknown);
        ++counts_.unknown;
    }
}

size_t History::open_records(uint64_t producer) const {
    auto found = open_.find(producer);
    return found == open_.end() ? 0 : found->second;
}

// Of one broker: what has been in the log long enough, or stands before what is durable, is durable by now.
void History::broker_ended(int32_t broker, bool in_order) {
    for (auto& [identity, partition] : partitions_) {
        if (in_order || excuses_.has_cluster()) break;
        for (auto& [offset, claim] : partition.claims) {
            SentRecord& sent = record(claim.number);
            if (claim.told.is_durable || may_be_undone(sent, claim.told)) continue;
            bool is_old = simulation_.now() - claim.since > flush_bound_;
            if (is_old || offset < partition.durable_end) make_durable(sent, partition, offset, claim.epoch);
        }
    }
    excuses_.broker_ended(broker, in_order);
}

// What took its place reached every in-sync replica: it is gone, unless that was undone in its turn.
bool History::must_be_gone(const SentRecord& sent) const {
    if (!sent.is_lost_for_good || !excuses_.has_cluster()) return sent.is_lost_for_good;
    Told replaced;
    replaced.is_replicated = true;
    return !excuses_.may_be_lost(sent.partition, replaced, sent.lost_at);
}

void History::topic_stands(const Uuid& topic) {
    auto asked = deleted_topics_.find(topic);
    if (asked == deleted_topics_.end()) return;
    if (asked->second) fail("topic " + topic.to_string() + " was deleted", "it is there");
    deleted_topics_.erase(asked);
}

void History::may_delete(const PartitionIdentity& partition, int64_t before) {
    int64_t& most = partitions_[partition].may_start_at;
    most = std::max(most, before);
}

void History::deleted(const PartitionIdentity& partition, int64_t log_start) {
    int64_t& start = partitions_[partition].starts_at;
    start = std::max(start, log_start);
}

void History::damaged(const PartitionIdentity& partition) {
    partitions_[partition].is_damaged = true;
}

bool History::is_durable(const Partition& partition, int64_t offset, const Claim& claim) const {
    if (claim.told.is_durable) return true;
    auto last = partition.durable_of_epoch.find(claim.epoch);
    return last != partition.durable_of_epoch.end() && offset <= last->second;
}

void History::make_durable(SentRecord& sent, Partition& partition, int64_t offset, int32_t epoch) {
    if (sent.durable_at.value_or(offset) != offset) {
        fail(named(sent.number) + " is durable at " + place(sent.partition, *sent.durable_at) + " and nowhere else",
             "it is durable at " + place(sent.partition, offset) + " too");
    }
    if (must_be_gone(sent)) fail(named(sent.number) + " is lost, as its producer was told", "it is durable");
    sent.durable_at = offset;
    partition.claims.at(offset).told.is_durable = true;
    partition.durable_end = std::max(partition.durable_end, offset + 1);
    int64_t& last = partition.durable_of_epoch.emplace(epoch, offset).first->second;
    last = std::max(last, offset);
}

void History::claim(const std::string& who, SentRecord& sent, int64_t offset, const Told& told) {
    Partition& partition = partitions_[sent.partition];
    if (partition.is_damaged || is_beyond_judgement(sent.partition)) return;
    const int32_t epoch = told.epoch;
    std::string here =
        named(sent.number) + " at " + place(sent.partition, offset) + " in epoch " + std::to_string(epoch);
    if (offset < sent.durable_before) {
        fail("what is sent after " + place(sent.partition, sent.durable_before - 1) + " was durable stands behind it",
             who + " was told of " + here);
    }
    Claim news{sent.number, epoch, simulation_.now(), told};
    news.told.is_durable = false;
    auto [found, is_new] = partition.claims.emplace(offset, news);
    Claim& known = found->second;
    if (!is_new && (known.number != sent.number || known.epoch != epoch)) {
        // In a cluster it may be the newer one that is undone, by a replica that had the older one all the time.
        bool is_older = epoch < known.epoch;
        bool may_go = may_be_undone(sent, told) && (is_older || excuses_.has_cluster());
        bool may_known_go = may_be_undone(record(known.number), known.told) && !is_durable(partition, offset, known) &&
                            (!is_older || excuses_.has_cluster());
        if (epoch == known.epoch || !(may_go || may_known_go)) {
            fail(place(sent.partition, offset) + " holds " + named(known.number) + " of epoch " +
                     std::to_string(known.epoch) + (is_durable(partition, offset, known) ? ", durable" : ""),
                 who + " was told of " + here + (told.is_durable ? ", durable" : ""));
        }
        ++counts_.undone;
        atlas_.note(Path::claim_undone);
        if (may_go && (is_older || !may_known_go)) return;
        known = news;
    }
    known.told.is_on_leaders_disk |= told.is_on_leaders_disk;
    known.told.is_replicated |= told.is_replicated;
    if (known.told.is_replicated) {
        int64_t& end = partition.replicated_of_epoch[epoch];
        end = std::max(end, offset + 1);
    }
    if (told.is_durable) make_durable(sent, partition, offset, epoch);
}

SentRecord& History::show(const std::string& who, const ConsumerRecord& shown, bool is_durable_read) {
    ++counts_.shown;
    atlas_.note(is_durable_read ? Path::read_durable : Path::read_replicated);
    Content content = content_of(shown);
    std::string here =
        std::string(shown.topic) + "/" + std::to_string(shown.partition) + "@" + std::to_string(shown.offset);
    std::optional<uint64_t> number = number_in(content);
    if (!number || !records_.contains(*number)) fail("only what was sent is shown", here + ": " + content.to_string());
    SentRecord& sent = record(*number);
    say(who, "is shown " + named(*number) + " at " + place(sent.partition, shown.offset) + " epoch " +
                 std::to_string(shown.leader_epoch));
    Content wanted = content_of(*number, sent.size);
    if (!(content == wanted)) fail(wanted.to_string(), who + " is shown at " + here + ": " + content.to_string());
    if (shown.timestamp != sent.timestamp) {
        fail(named(*number) + " has timestamp " + std::to_string(sent.timestamp),
             who + " is shown " + std::to_string(shown.timestamp));
    }
    if (shown.partition != sent.partition.partition.value) {
        fail(named(*number) + " was sent to partition " + std::to_string(sent.partition.partition.value),
             who + " is shown it at " + here);
    }
    if (sent.fate == Fate::not_written) fail(named(*number) + " is not written", who + " is shown it at " + here);
    sent.was_shown = true;
    claim(who, sent, shown.offset, {shown.leader_epoch, is_durable_read, true, is_durable_read});
    return sent;
}

void History::gap(
    const std::string& who, const PartitionIdentity& name, const Gap& gap, bool is_durable_read, int64_t durable) {
    ++counts_.gaps;
    atlas_.note(gap.reason == Gap::Reason::truncated ? Path::gap_truncated : Path::gap_deleted);
    std::string text = "a gap " + std::to_string(gap.from) + ".." + std::to_string(gap.to) + " of " + place(name, -1) +
                       " (" + ironbark::name(gap.reason) + ")";
    say(who, "is told of " + text);
    Partition& partition = partitions_[name];
    if (partition.is_damaged || is_gone(name)) return;
    switch (gap.reason) {
        case Gap::Reason::deleted:
            if (gap.to > partition.may_start_at) {
                fail("nobody asked to delete beyond " + std::to_string(partition.may_start_at), who + ": " + text);
            }
            return;
        case Gap::Reason::truncated:
            if (is_durable_read) fail("what is durable is never taken back", who + ": " + text);
            if (!excuses_.may_be_undone(name)) fail("nothing has happened that takes it back", who + ": " + text);
            if (gap.from < durable)
                fail("everything below " + std::to_string(durable) + " is durable", who + ": " + text);
            return;
        case Gap::Reason::compacted:
        case Gap::Reason::missing: fail("no record is missing", who + ": " + text);
    }
}

void History::see_marks(const std::string& who, const PartitionIdentity& name, const Marks& marks) {
    Partition& partition = partitions_[name];
    if (partition.is_damaged || is_gone(name) || marks.log_start < 0) return;
    std::string text = place(name, -1) + ": log start " + std::to_string(marks.log_start) + ", durable " +
                       std::to_string(marks.durable_watermark) + ", high " + std::to_string(marks.high_watermark) +
                       ", end " + std::to_string(marks.log_end);
    // What is deleted before it was on every disk leaves the durable watermark behind for a while.
    int64_t least = excuses_.has_cluster() ? marks.high_watermark : marks.durable_watermark;
    bool is_ordered = marks.log_start <= least && marks.durable_watermark <= marks.high_watermark &&
                      marks.high_watermark <= marks.log_end;
    if (!is_ordered) fail("marks in order", who + " is told " + text);
    if (marks.log_start > partition.may_start_at) {
        fail("nobody asked to delete beyond " + std::to_string(partition.may_start_at), who + " is told " + text);
    }
    // In a cluster a deletion holds once it was answered: until then a replica may be appointed that has not deleted.
    if (!excuses_.has_cluster()) partition.starts_at = std::max(partition.starts_at, marks.log_start);
    partition.durable_end = std::max(partition.durable_end, marks.durable_watermark);
}

void History::check_final(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log) {
    Partition& partition = partitions_[name];
    counts_.final_records += log.size();
    if (partition.is_damaged) return;
    int64_t next = log_start;
    int32_t epoch = -1;
    for (const FinalRecord& standing : log) {
        if (standing.offset != next) fail(place(name, next), "the log goes on at " + place(name, standing.offset));
        if (standing.epoch < epoch) fail("epochs that do not fall", place(name, next) + " has an older one");
        epoch = standing.epoch;
        ++next;
    }
    if (log_start < partition.starts_at) {
        fail("the log starts at " + std::to_string(partition.starts_at), "it starts at " + place(name, log_start));
    }
    if (next < partition.durable_end) {
        fail("everything below " + place(name, partition.durable_end) + " is durable",
             "the log ends at " + place(name, next));
    }
    if (log_start > partition.may_start_at) {
        fail("nobody asked to delete beyond " + std::to_string(partition.may_start_at),
             "the log starts at " + place(name, log_start));
    }
    const int64_t common = std::max(log_start, partition.final_start);
    const bool has_its_start = log_start == partition.final_start || excuses_.has_cluster();
    const bool is_same =
        !partition.final_log || (has_its_start && part_from(*partition.final_log, common) == part_from(log, common));
    if (!is_same) {
        fail(place(name, -1) + " is read again as it was",
             "before: " + range_of(*partition.final_log, partition.final_start) + ", now: " + range_of(log, log_start));
    }
    partition.final_log = log;
    partition.final_start = log_start;
    check_claims(name, log_start, log);
    check_order(name, log_start, log);
    check_losses(name, log_start, log);
}

void History::check_claims(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log) {
    Partition& partition = partitions_[name];
    for (const auto& [offset, claim] : partition.claims) {
        if (offset < log_start) continue;
        bool is_kept = is_durable(partition, offset, claim);
        if (!is_kept && may_be_undone(record(claim.number), claim.told)) continue;
        std::string wanted = named(claim.number) + " at " + place(name, offset) + (is_kept ? ", durable" : "");
        size_t index = static_cast<size_t>(offset - log_start);
        if (index >= log.size())
            fail(wanted, "the log ends at " + place(name, log_start + static_cast<int64_t>(log.size())));
        if (log[index].number != claim.number) fail(wanted, named(log[index].number) + " stands there");
    }
}

void History::check_order(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log) {
    std::map<uint64_t, uint64_t> last_of_producer;
    std::set<uint64_t> standing;
    for (const FinalRecord& entry : log) {
        if (!standing.insert(entry.number).second) {
            fail(named(entry.number) + " is in the log once", "it stands again at " + place(name, entry.offset));
        }
        const SentRecord& sent = record(entry.number);
        if (!sent.is_ordered) continue;
        uint64_t& last = last_of_producer[sent.producer];
        if (entry.number < last) {
            fail(named(entry.number) + " stands before " + named(last),
                 "it stands after it at " + place(name, entry.offset));
        }
        last = entry.number;
    }
    for (const auto& [number, sent] : records_) {
        bool must_stand =
            sent.has_no_place && sent.partition == name && log_start == 0 && !may_be_undone(sent, sent.told);
        if (must_stand && !standing.contains(number)) fail(named(number) + " was written", "it is not in the log");
    }
}

// Nothing that was acknowledged is lost silently, as far as its producer could know: another record of the same
// producer was acknowledged behind it, and no record between them had an outcome after which numbers begin anew. Nor
// one before it that was given up while it was under way: its own number is of before, and the next one's is not.
void History::check_losses(const PartitionIdentity& name, int64_t log_start, const std::vector<FinalRecord>& log) {
    std::set<uint64_t> standing;
    for (const FinalRecord& entry : log) standing.insert(entry.number);
    std::map<uint64_t, uint64_t> silent;  // by producer: the first record that is missing since numbers began
    std::map<uint64_t, Instant> given_up;  // by producer: when it was told so last
    for (const auto& [number, sent] : records_) {
        if (!sent.is_ordered || !(sent.partition == name)) continue;
        if (must_be_gone(sent) && standing.contains(number)) {
            fail(named(number) + " is lost, as its producer was told", "it is in the log");
        }
        const Instant begun_anew = given_up[sent.producer];
        const bool has_old_number = sent.sent <= begun_anew && begun_anew < sent.settled;
        if (sent.fate != Fate::written) {
            silent.erase(sent.producer);
            given_up[sent.producer] = std::max(begun_anew, sent.settled);
        } else if (standing.contains(number)) {
            auto missing = silent.find(sent.producer);
            if (missing == silent.end()) continue;
            fail("the producer of " + named(number) + " is told that " + named(missing->second) + " is lost",
                 "it was acknowledged, is not in the log, and nobody said so");
        } else if (!sent.is_lost && !has_old_number && sent.told_at.value_or(-1) >= log_start) {
            silent.emplace(sent.producer, number);
        }
    }
}

}  // namespace ironbark::simulation
