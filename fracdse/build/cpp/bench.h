// Clock, AXI4-Lite master and AXI4-Stream source and sink around a Verilated accelerator (class Vaccelerator).
//
// Every cycle: inputs are set while the clock is low, handshakes are sampled, then the clock rises. The sink checks the
// stream rules: an offered word stays offered and unchanged until it is taken.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vaccelerator.h"
#include "registers.h"
#include "verilated.h"
#include "verilated_syms.h"

struct Random {  // xorshift64*: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (2003)
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 2 + 1) {
        for (int i = 0; i < 8; ++i) next();
    }
    uint32_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return static_cast<uint32_t>((state * 0x2545F4914F6CDD1DULL) >> 32);
    }
};

// Decides each cycle whether one end of a stream pauses: single cycles at the given rate, and now and then a long stop.
struct Pauses {
    Random random;
    uint32_t rate;  // of 256
    int stop = 0;
    Pauses(uint64_t seed, uint32_t rate_of_256) : random(seed), rate(rate_of_256) {}
    bool pause() {
        if (rate == 0) return false;
        if (stop > 0) return --stop, true;
        const uint32_t draw = random.next();
        if ((draw >> 8) % 8192 == 0) stop = 300;
        return (draw & 255) < rate;
    }
};

struct Stuck : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Bench {
  public:
    Bench(uint64_t seed, uint32_t pause_in, uint32_t pause_out, uint64_t patience_cycles)
        : source_pauses_(seed, pause_in), sink_pauses_(seed + 7919, pause_out), patience_(patience_cycles) {
        top_ = std::make_unique<Vaccelerator>(&context_);
        reset(4);
    }
    ~Bench() { top_->final(); }

    uint64_t cycles = 0;                  // since the start of the simulation
    std::vector<int32_t> taken;           // words taken from the output stream
    std::vector<uint64_t> taken_at;       // their cycles, counted as `cycles`
    std::vector<uint64_t> accepted_at;    // cycles at which every `stamp_every`-th input word, from the first, was accepted
    uint64_t stamp_every = 1;
    uint64_t last_flags = 0;              // how many words came with TLAST
    uint64_t last_flag_at = 0;            // index of the word with the newest TLAST
    uint64_t take_limit = ~0ULL;          // the sink is ready while fewer words than this are in `taken`

    void reset(int length) {
        top_->s_axis_tvalid = 0;
        top_->m_axis_tready = 0;
        top_->s_axi_awvalid = top_->s_axi_wvalid = top_->s_axi_bready = 0;
        top_->s_axi_arvalid = top_->s_axi_rready = 0;
        top_->reset = 1;
        offering_ = offered_before_ = false;
        for (int i = 0; i < length; ++i) {
            settle();
            edge();
        }
        top_->reset = 0;
    }

    // The words that the source is to send from now on; the pointer must stay valid.
    void send(const uint32_t* words, uint64_t count) {
        words_ = words;
        words_left_ = count;
        words_sent_ = 0;
    }

    uint64_t words_left() const { return words_left_; }

    void forget_taken() {
        taken.clear();
        taken_at.clear();
        accepted_at.clear();
        last_flags = 0;
    }

    // One clock cycle with both streams at work.
    void tick() {
        if (!offering_ && words_left_ > 0 && !source_pauses_.pause()) offering_ = true;
        top_->s_axis_tvalid = offering_;
        top_->s_axis_tdata = offering_ ? *words_ : 0xDEADBEEFu;
        top_->s_axis_tlast = offering_ && words_left_ == 1;
        top_->m_axis_tready = taken.size() < take_limit && !sink_pauses_.pause();
        settle();
        const bool in = offering_ && top_->s_axis_tready;
        const bool out = top_->m_axis_tvalid && top_->m_axis_tready;
        check_sink();
        if (out) take();
        edge();
        if (in) accept();
        idle_ = (in || out) ? 0 : idle_ + 1;
        if (idle_ > patience_) throw Stuck(state());
    }

    void write(uint32_t address, uint32_t value) {
        top_->s_axi_awaddr = address;
        top_->s_axi_awvalid = 1;
        top_->s_axi_wdata = value;
        top_->s_axi_wstrb = 15;
        top_->s_axi_wvalid = 1;
        top_->s_axi_bready = 1;
        bool address_done = false, data_done = false, answered = false;
        for (int i = 0; !answered; ++i) {
            if (i > kAxiPatience) throw Stuck("AXI4-Lite write to address " + std::to_string(address) + " is not answered");
            settle();
            const bool a = !address_done && top_->s_axi_awready;
            const bool d = !data_done && top_->s_axi_wready;
            answered = top_->s_axi_bvalid && top_->s_axi_bready;
            if (answered && top_->s_axi_bresp != 0) throw Stuck("AXI4-Lite write is answered with an error");
            tick();
            if (a) address_done = true, top_->s_axi_awvalid = 0;
            if (d) data_done = true, top_->s_axi_wvalid = 0;
        }
        top_->s_axi_bready = 0;
    }

    uint32_t read(uint32_t address) {
        top_->s_axi_araddr = address;
        top_->s_axi_arvalid = 1;
        top_->s_axi_rready = 1;
        uint32_t value = 0;
        bool answered = false;
        for (int i = 0; !answered; ++i) {
            if (i > kAxiPatience) throw Stuck("AXI4-Lite read of address " + std::to_string(address) + " is not answered");
            settle();
            const bool a = top_->s_axi_arvalid && top_->s_axi_arready;
            answered = top_->s_axi_rvalid && top_->s_axi_rready;
            if (answered && top_->s_axi_rresp != 0) throw Stuck("AXI4-Lite read is answered with an error");
            if (answered) value = top_->s_axi_rdata;
            tick();
            if (a) top_->s_axi_arvalid = 0;
        }
        top_->s_axi_rready = 0;
        return value;
    }

    uint64_t read64(uint32_t address) {
        const uint64_t low = read(address);
        return low | static_cast<uint64_t>(read(address + 4)) << 32;
    }

    // Which stream waits for which side, in words: the two ends, and the streams between units that are held up.
    std::string state() const {
        std::string text = "input stream: " + std::to_string(words_sent_) + " words accepted, ";
        text += words_left_ == 0 ? "none left"
                                 : std::to_string(words_left_) + " left and s_axis_tready " +
                                       (top_->s_axis_tready ? "high" : "low");
        text += "; output stream: " + std::to_string(taken.size()) + " logits taken, m_axis_tvalid ";
        return text + (top_->m_axis_tvalid ? "high" : "low") + held_up();
    }

  private:
    static constexpr int kAxiPatience = 10000;
    static constexpr int kMostNamed = 12;
    mutable VerilatedContext context_;
    std::unique_ptr<Vaccelerator> top_;
    Pauses source_pauses_, sink_pauses_;
    uint64_t patience_, idle_ = 0;
    const uint32_t* words_ = nullptr;
    uint64_t words_left_ = 0, words_sent_ = 0;
    bool offering_ = false, offered_before_ = false;
    uint32_t offered_word_ = 0;

    // The streams that are offered (`…__valid`) and not taken (`…__ready`), by unit and port; empty where none is.
    std::string held_up() const {
        std::string text;
        int count = 0;
        for (const auto& [path, scope] : *context_.scopeNameMap()) {
            const std::string place(path);  // TOP, the top module, a unit: what lies deeper says the same again
            if (!scope->varsp() || std::count(place.begin(), place.end(), '.') != 2) continue;
            const std::string unit = place.substr(place.rfind('.') + 1);
            for (const auto& [name, variable] : *scope->varsp()) {
                const std::string valid(name);
                const size_t end = valid.rfind("__valid");
                if (end == std::string::npos || end + 7 != valid.size()) continue;
                const VerilatedVar* ready = scope->varFind((valid.substr(0, end) + "__ready").c_str());
                if (!ready || !is_set(variable) || is_set(*ready)) continue;
                if (++count <= kMostNamed) text += (count == 1 ? "" : ", ") + unit + "." + valid.substr(0, end);
            }
        }
        if (count > kMostNamed) text += " and " + std::to_string(count - kMostNamed) + " more";
        return count ? "; offered and not taken inside: " + text : "";
    }

    static bool is_set(const VerilatedVar& bit) { return *static_cast<const CData*>(bit.datap()) != 0; }

    // Let inputs that were just set reach the outputs.
    void settle() {
        top_->clk = 0;
        top_->eval();
    }

    void edge() {
        top_->clk = 1;
        top_->eval();
        ++cycles;
    }

    void accept() {
        if (words_sent_ % stamp_every == 0) accepted_at.push_back(cycles);
        ++words_;
        --words_left_;
        ++words_sent_;
        offering_ = false;
    }

    void take() {
        if (top_->m_axis_tlast) ++last_flags, last_flag_at = taken.size();
        taken.push_back(static_cast<int32_t>(top_->m_axis_tdata));
        taken_at.push_back(cycles + 1);
    }

    void check_sink() {
        if (offered_before_ && !(top_->m_axis_tvalid && top_->m_axis_tdata == offered_word_))
            throw Stuck("the output stream withdrew or changed a word before it was taken; " + state());
        offered_before_ = top_->m_axis_tvalid && !top_->m_axis_tready;
        offered_word_ = top_->m_axis_tdata;
    }
};
