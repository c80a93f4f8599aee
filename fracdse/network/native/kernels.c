/* Fused pointwise passes over feature maps stored as (rows, width): a row is one pixel or several, channels last.

   What each computes is written beside its caller in Python, which also has the same in torch operations; these only
   avoid the round trips to memory between them. Sums of convolutions come as bfloat16 or as float32 (wide).

   Every pass comes twice: `..._rows` works on the rows first to last, the other shares all rows among threads. Sums over
   rows are left a thread each. The loops over a row know that maps do not overlap, which they would not inside a
   parallel region. */

#include <math.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#define omp_get_num_threads() 1
#endif

#define MAX_WIDTH 4096
#define BLOCK 128
#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* Call something for every thread's `first` and `last` of `rows`; `own` is the thread's number. */
#define SHARE(rows, call)                                                                                             \
    _Pragma("omp parallel num_threads(threads)") {                                                                    \
        long own = omp_get_thread_num(), all = omp_get_num_threads();                                                 \
        long first = (rows) * own / all, last = (rows) * (own + 1) / all;                                             \
        call;                                                                                                         \
    }

static inline float from_bf16(uint16_t value) {
    union { uint32_t bits; float number; } u = {(uint32_t)value << 16};
    return u.number;
}

static inline uint16_t to_bf16(float value) {
    union { float number; uint32_t bits; } u = {value};
    return (uint16_t)((u.bits + 0x7FFFu + ((u.bits >> 16) & 1u)) >> 16);
}

/* exp(-a) for a >= 0, to about 1e-7. */
static inline float exp_minus(float a) {
    float t = -1.44269504f * (a < 80.0f ? a : 80.0f);
    float whole = floorf(t), f = t - whole;
    float p = 1.0f + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f + f * (0.00961813f
              + f * (0.00133336f + f * 0.00015469f)))));
    union { int32_t bits; float number; } scale = {((int32_t)whole + 127) << 23};
    return p * scale.number;
}

/* With k = round(1.5*x + 1.5), halves to even, clamped to 0..3: leading bit k >= 2, trailing bit the parity of k. */
static void two_bits_rows(const float *restrict x, uint16_t *restrict leading, uint16_t *restrict trailing, long first,
                          long last) {
    for (long i = first; i < last; i++) {
        float level = x[i] * 1.5f + 1.5f;
        uint32_t one = level > 0.5f, two = level >= 1.5f, three = level > 2.5f;
        leading[i] = (uint16_t)(0xBF80u - (two << 15));
        trailing[i] = (uint16_t)(0xBF80u - ((one ^ two ^ three) << 15));
    }
}

void two_bits(const float *x, uint16_t *leading, uint16_t *trailing, long rows, long width, int threads) {
    SHARE(rows, two_bits_rows(x, leading, trailing, first * width, last * width))
}

#define GATE(NAME, TYPE, LOAD)                                                                                        \
    static void NAME##_rows(const TYPE *restrict leading, const TYPE *restrict trailing, const float *restrict limit, \
                            float *restrict out, long first, long last, long width) {                                 \
        for (long row = first; row < last; row++)                                                                     \
            for (long c = 0; c < width; c++) {                                                                        \
                long i = row * width + c;                                                                             \
                float m = LOAD(leading[i]), l = LOAD(trailing[i]);                                                    \
                out[i] = m * (2.0f / 3.0f) + (m > limit[c] ? l : 0.0f) * (1.0f / 3.0f);                               \
            }                                                                                                         \
    }                                                                                                                 \
    void NAME(const TYPE *leading, const TYPE *trailing, const float *limit, float *out, long rows, long width,       \
              int threads) {                                                                                          \
        SHARE(rows, NAME##_rows(leading, trailing, limit, out, first, last, width))                                   \
    }

/* a = (2/3)(g + t), b = g*gate/3, both = a + b; d_threshold -= t, where t goes through the gate. */
#define GATE_BACKWARD(NAME, TYPE, LOAD)                                                                               \
    static void NAME##_rows(const float *restrict gradient, const TYPE *restrict leading,                             \
                            const TYPE *restrict trailing, const float *restrict limit,                               \
                            const float *restrict threshold, uint16_t *restrict a, uint16_t *restrict b,              \
                            uint16_t *restrict both, double *restrict d_threshold, long first, long last,             \
                            long width) {                                                                             \
        float total[MAX_WIDTH];                                                                                       \
        for (long start = first; start < last; start += BLOCK) {                                                      \
            long stop = MIN(start + BLOCK, last);                                                                     \
            for (long c = 0; c < width; c++) total[c] = 0.0f;                                                         \
            for (long row = start; row < stop; row++)                                                                 \
                for (long c = 0; c < width; c++) {                                                                    \
                    long i = row * width + c;                                                                         \
                    float g = gradient[i], m = LOAD(leading[i]), l = LOAD(trailing[i]);                               \
                    float z = 5.0f * (m * (2.0f / 3.0f) - threshold[c]);                                              \
                    float e = exp_minus(z < 0.0f ? 0.0f : z), s = 1.0f / (1.0f + e);                                  \
                    float t = z >= 0.0f ? g * l * (5.0f / 3.0f) * s * s * e : 0.0f;                                   \
                    float upper = (2.0f / 3.0f) * (g + t), lower = m > limit[c] ? g * (1.0f / 3.0f) : 0.0f;           \
                    a[i] = to_bf16(upper);                                                                            \
                    b[i] = to_bf16(lower);                                                                            \
                    both[i] = to_bf16(upper + lower);                                                                 \
                    total[c] += t;                                                                                    \
                }                                                                                                     \
            for (long c = 0; c < width; c++) d_threshold[c] -= total[c];                                              \
        }                                                                                                             \
    }                                                                                                                 \
    void NAME(const float *gradient, const TYPE *leading, const TYPE *trailing, const float *limit,                   \
              const float *threshold, uint16_t *a, uint16_t *b, uint16_t *both, double *d_threshold, long rows,       \
              long width, int threads) {                                                                              \
        SHARE(rows, NAME##_rows(gradient, leading, trailing, limit, threshold, a, b, both, d_threshold + own * width, \
                                first, last, width))                                                                  \
    }

#define PLAIN(value) (value)
GATE(gate_narrow, uint16_t, from_bf16)
GATE(gate_wide, float, PLAIN)
GATE_BACKWARD(gate_backward_narrow, uint16_t, from_bf16)
GATE_BACKWARD(gate_backward_wide, float, PLAIN)

/* d_x = d inside (-1, 1), else 0. */
static void clip_backward_rows(const uint16_t *restrict d, const float *restrict x, float *restrict d_x, long first,
                               long last) {
    for (long i = first; i < last; i++) d_x[i] = (x[i] > -1.0f && x[i] < 1.0f) ? from_bf16(d[i]) : 0.0f;
}

void clip_backward(const uint16_t *d, const float *x, float *d_x, long rows, long width, int threads) {
    SHARE(rows, clip_backward_rows(d, x, d_x, first * width, last * width))
}

/* sum += x and product += x*y, a column each. */
static void sums_rows(const float *x, const float *y, double *restrict sum, double *restrict product, long first,
                      long last, long width) {
    float s[MAX_WIDTH], q[MAX_WIDTH];
    for (long start = first; start < last; start += BLOCK) {
        long stop = MIN(start + BLOCK, last);
        for (long c = 0; c < width; c++) s[c] = q[c] = 0.0f;
        for (long row = start; row < stop; row++)
            for (long c = 0; c < width; c++) {
                long i = row * width + c;
                s[c] += x[i];
                q[c] += x[i] * y[i];
            }
        for (long c = 0; c < width; c++) sum[c] += s[c], product[c] += q[c];
    }
}

void sums(const float *x, const float *y, double *sum, double *product, long rows, long width, int threads) {
    SHARE(rows, sums_rows(x, y, sum + own * width, product + own * width, first, last, width))
}

/* out = a*x + b*y + constant, a column each. */
static void blend_rows(const float *restrict x, const float *restrict y, const float *restrict a,
                       const float *restrict b, const float *restrict constant, float *restrict out, long first,
                       long last, long width) {
    for (long row = first; row < last; row++)
        for (long c = 0; c < width; c++) {
            long i = row * width + c;
            out[i] = a[c] * x[i] + (b[c] * y[i] + constant[c]);
        }
}

void blend(const float *x, const float *y, const float *a, const float *b, const float *constant, float *out, long rows,
           long width, int threads) {
    SHARE(rows, blend_rows(x, y, a, b, constant, out, first, last, width))
}

/* out = a*x + constant, a column each. */
static void affine_rows(const float *restrict x, const float *restrict a, const float *restrict constant,
                        float *restrict out, long first, long last, long width) {
    for (long row = first; row < last; row++)
        for (long c = 0; c < width; c++) out[row * width + c] = a[c] * x[row * width + c] + constant[c];
}

void affine(const float *x, const float *a, const float *constant, float *out, long rows, long width, int threads) {
    SHARE(rows, affine_rows(x, a, constant, out, first, last, width))
}

/* out = base + factor*prelu(x). */
static void prelu_onto_rows(const float *restrict x, const float *restrict slope, const float *restrict base,
                            float factor, float *restrict out, long first, long last, long width) {
    for (long row = first; row < last; row++)
        for (long c = 0; c < width; c++) {
            long i = row * width + c;
            out[i] = base[i] + factor * (x[i] > 0.0f ? x[i] : slope[c] * x[i]);
        }
}

void prelu_onto(const float *x, const float *slope, const float *base, float factor, float *out, long rows, long width,
                int threads) {
    SHARE(rows, prelu_onto_rows(x, slope, base, factor, out, first, last, width))
}

static void prelu_backward_rows(const float *restrict gradient, const float *restrict x, const float *restrict slope,
                                float factor, float *restrict d_x, double *restrict d_slope, long first, long last,
                                long width) {
    float total[MAX_WIDTH];
    for (long start = first; start < last; start += BLOCK) {
        long stop = MIN(start + BLOCK, last);
        for (long c = 0; c < width; c++) total[c] = 0.0f;
        for (long row = start; row < stop; row++)
            for (long c = 0; c < width; c++) {
                long i = row * width + c;
                float g = factor * gradient[i], lower = x[i] > 0.0f ? 0.0f : x[i];
                d_x[i] = x[i] > 0.0f ? g : g * slope[c];
                total[c] += g * lower;
            }
        for (long c = 0; c < width; c++) d_slope[c] += total[c];
    }
}

void prelu_backward(const float *gradient, const float *x, const float *slope, float factor, float *d_x,
                    double *d_slope, long rows, long width, int threads) {
    SHARE(rows, prelu_backward_rows(gradient, x, slope, factor, d_x, d_slope + own * width, first, last, width))
}
