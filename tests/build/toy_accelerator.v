// A stand-in for an accelerator, with the ports and registers of fracdse/registers.py: logit c of a frame is (c + 1) times the
// sum of the frame's bytes, and gate counter g counts the words whose bit g is set. The first byte of a run can ask for a
// fault: F1 stops taking words in the fourth frame, F2 withdraws words, F3 keeps the sum through a reset.
module toy #(parameter FRAME_WORDS = 4, parameter CLASSES = 3) (
    input clk, input reset,
    input [31:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready, input s_axis_tlast,
    output [31:0] m_axis_tdata, output m_axis_tvalid, input m_axis_tready, output m_axis_tlast,
    input [11:0] s_axi_awaddr, input s_axi_awvalid, output s_axi_awready,
    input [31:0] s_axi_wdata, input [3:0] s_axi_wstrb, input s_axi_wvalid, output s_axi_wready,
    output [1:0] s_axi_bresp, output reg s_axi_bvalid, input s_axi_bready,
    input [11:0] s_axi_araddr, input s_axi_arvalid, output s_axi_arready,
    output reg [31:0] s_axi_rdata, output [1:0] s_axi_rresp, output reg s_axi_rvalid, input s_axi_rready
);
    reg [31:0] frames, frames_done, sum, total, words, which, first_latency;
    reg [63:0] cycles, gate0, gate1;
    reg busy, done, full;
    initial begin
        {frames, frames_done, sum, total, words, which, first_latency} = 0;
        {cycles, gate0, gate1} = 0;
        {busy, done, full, s_axi_bvalid, s_axi_rvalid} = 0;
    end

    // Streams: one frame is summed while the logits of the one before leave.
    wire [31:0] bytes = s_axis_tdata[31:24] + s_axis_tdata[23:16] + s_axis_tdata[15:8] + s_axis_tdata[7:0];
    wire last_word = words == FRAME_WORDS - 1;
    wire last_class = which == CLASSES - 1;
    wire out = m_axis_tvalid && m_axis_tready;
    reg [7:0] fault = 0;
    assign s_axis_tready = busy && !(last_word && full) && !(fault == 8'hF1 && frames_done == 3);
    wire in = s_axis_tvalid && s_axis_tready;
    assign m_axis_tvalid = full && (fault != 8'hF2 || cycles[1]);
    assign m_axis_tdata = total * (which + 1);
    assign m_axis_tlast = last_class && frames_done == frames - 1;

    wire write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
    assign s_axi_awready = write;
    assign s_axi_wready = write;
    assign s_axi_bresp = 0;
    assign s_axi_rresp = 0;
    assign s_axi_arready = !s_axi_rvalid;
    wire start = write && s_axi_awaddr == 12'h000 && s_axi_wdata[0];

    always @(posedge clk) begin
        if (busy) cycles <= cycles + 1;
        if (in) begin
            if (words == 0 && frames_done == 0 && !full) fault <= s_axis_tdata[7:0];
            words <= last_word ? 0 : words + 1;
            sum <= last_word ? 0 : sum + bytes;
            gate0 <= gate0 + s_axis_tdata[0];
            gate1 <= gate1 + s_axis_tdata[1];
            if (last_word) begin
                total <= sum + bytes;
                full <= 1;
            end
        end
        if (out) begin
            which <= last_class ? 0 : which + 1;
            if (last_class) begin
                full <= 0;
                frames_done <= frames_done + 1;
                if (frames_done == 0) first_latency <= cycles;
                if (frames_done == frames - 1) {busy, done} <= 2'b01;
            end
        end
        if (write) begin
            s_axi_bvalid <= 1;
            if (s_axi_awaddr == 12'h010) frames <= s_axi_wdata;
        end else if (s_axi_bready) s_axi_bvalid <= 0;
        if (start) begin
            {busy, done} <= 2'b10;
            {cycles, gate0, gate1} <= 0;
            {frames_done, first_latency} <= 0;
        end
        if (s_axi_arvalid && s_axi_arready) begin
            s_axi_rvalid <= 1;
            case (s_axi_araddr)
                12'h004: s_axi_rdata <= {30'b0, done, busy};
                12'h008: s_axi_rdata <= 32'h89abcdef;
                12'h00c: s_axi_rdata <= 32'h01234567;
                12'h014: s_axi_rdata <= frames_done;
                12'h018: s_axi_rdata <= cycles[31:0];
                12'h01c: s_axi_rdata <= cycles[63:32];
                12'h020: s_axi_rdata <= 2;
                12'h024: s_axi_rdata <= CLASSES;
                12'h028: s_axi_rdata <= FRAME_WORDS;
                12'h02c: s_axi_rdata <= first_latency;
                12'h100: s_axi_rdata <= gate0[31:0];
                12'h108: s_axi_rdata <= gate1[31:0];
                default: s_axi_rdata <= 0;
            endcase
        end else if (s_axi_rready) s_axi_rvalid <= 0;
        if (reset) begin
            {busy, done, full, s_axi_bvalid, s_axi_rvalid} <= 0;
            {words, which, frames_done} <= 0;
            if (fault != 8'hF3) sum <= 0;
        end
    end
endmodule
