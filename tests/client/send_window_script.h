#pragma once
// Scripts of a send window: what is sent, what is answered, what comes out. A batch has ten records unless it says
// otherwise, and stands at a hundred times its number; time is in milliseconds from 0.

#include <memory>
#include <string>
#include <vector>

#include "client/send_window.h"

namespace ironbark::client {

inline Instant at(int64_t milliseconds) {
    return Instant(std::chrono::milliseconds(milliseconds));
}

struct Script {
    explicit Script(bool is_idempotent = true, size_t unresolved_max = 5) : window(is_idempotent, unresolved_max) {
        if (is_idempotent) window.set_identity({ProducerId(1), ProducerEpoch(0)});
    }

    // Takes up a batch; its name is its number, from 1.
    void batch(int32_t records = 10, int64_t deadline = 100'000) {
        auto pending = std::make_unique<PendingBatch>();
        pending->records = records;
        entries.push_back(&window.admit(std::move(pending), at(deadline)));
    }
    // Sends what there is to send; says which batches, in order.
    std::vector<size_t> send(int64_t now = 0) {
        std::vector<size_t> sent;
        while (SendWindow::Entry* entry = window.next_to_send(at(now))) {
            entry->is_sealed = true;
            window.begin_attempt(*entry);
            sent.push_back(number_of(entry));
        }
        return sent;
    }
    void written(size_t number, Acks level = Acks::leader, std::vector<int32_t> replicas = {1}) {
        Written receipt;
        receipt.base_offset = static_cast<int64_t>(number) * 100;
        receipt.level = level;
        receipt.replicas = std::move(replicas);
        receipt.gap_from = entries[number - 1]->gap_from;  // confirmed, as a broker does
        window.succeeded(*entries[number - 1], receipt);
        collect();
    }
    // The broker has another sequence in mind.
    void expected(size_t number, int32_t sequence, int64_t again = 0) {
        SendWindow::Refusal refusal;
        refusal.failure = {ErrorCode::out_of_order_sequence, Outcome::not_written, "refused"};
        refusal.expected = sequence;
        window.refused(*entries[number - 1], refusal, at(again));
        collect();
    }
    void forgotten(size_t number, bool may_have_expired) {
        SendWindow::Refusal refusal;
        refusal.failure = {ErrorCode::unknown_producer_id, Outcome::not_written, "refused"};
        refusal.may_have_expired = may_have_expired;
        window.refused(*entries[number - 1], refusal, at(0));
        collect();
    }
    // "3 records at 170..200, leader": what is found to be lost; "" if nothing is.
    std::string loss() {
        std::optional<LostRange> lost = window.take_loss();
        if (!lost) return "";
        return std::to_string(lost->records) + " records at " + std::to_string(lost->first_offset) + ".." +
               std::to_string(lost->last_offset) + ", " + name(lost->level) + (lost->is_final ? ", final" : "") +
               (lost->is_fatal ? ", fatal" : "");
    }
    void refused(size_t number, ErrorCode code, Outcome outcome = Outcome::not_written, int64_t again = 0) {
        SendWindow::Refusal refusal;
        refusal.failure = {code, outcome, "refused"};
        refusal.may_be_repeated = is_retriable(code) || outcome == Outcome::unknown;
        window.refused(*entries[number - 1], refusal, at(again));
        collect();
    }
    void connection_lost(size_t number, int64_t again = 0) {
        refused(number, ErrorCode::connection_closed, Outcome::unknown, again);
    }
    void expire(int64_t now) {
        window.expire(at(now));
        collect();
    }
    void new_identity(int64_t id, int16_t epoch) {
        window.set_identity({ProducerId(id), ProducerEpoch(epoch)});
        collect();
    }
    std::string sequence(size_t number) const {
        const record::ProducerSequence& sequence = entries[number - 1]->sequence;
        return std::to_string(sequence.id.value) + "." + std::to_string(sequence.epoch.value) + ":" +
               std::to_string(sequence.base_sequence);
    }
    size_t number_of(const SendWindow::Entry* entry) const {
        for (size_t index = 0; index < entries.size(); ++index) {
            if (entries[index] == entry) return index + 1;
        }
        return 0;
    }
    void collect() {
        while (std::unique_ptr<SendWindow::Entry> entry = window.pop_resolved()) {
            std::string result = std::to_string(number_of(entry.get())) + " ";
            result += entry->state == SendWindow::State::written ? "written" : name(entry->failure.outcome);
            results.push_back(result);
            kept.push_back(std::move(entry));
        }
    }
    std::vector<std::string> take() { return std::exchange(results, {}); }

    SendWindow window;
    std::vector<SendWindow::Entry*> entries;
    std::vector<std::unique_ptr<SendWindow::Entry>> kept;
    std::vector<std::string> results;
};

using Sent = std::vector<size_t>;

}  // namespace ironbark::client
