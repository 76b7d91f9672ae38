// Products and eigenvectors of symmetric matrices in double, for code that sees no libtorch. Row-major
// memory.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::kernels {

/// gram += block^T block (columns, columns), or block block^T (rows, rows) where `transposed`. block
/// (rows, columns).
void add_gram(std::span<const float> block, uint64_t columns, bool transposed, double* gram);

/// Eigenvalues of the symmetric matrix (n,n), largest first; the matrix becomes the eigenvectors, one a row.
std::vector<double> symmetric_eigen(double* matrix, uint64_t n);

/// out (rows, rank) = block basis^T with basis (rank, columns), or (rank, columns) = basis block with basis
/// (rank, rows) where `transposed`; in double, rounded once. block (rows, columns).
void project(std::span<const float> block, uint64_t columns, bool transposed, const double* basis,
             uint64_t rank, float* out);

}  // namespace tongueforge::kernels
