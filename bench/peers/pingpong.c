/* 64 bytes to another process and back over MPI, both sides polling.
 *
 *     mpirun -np 2 pingpong N
 *
 * prints one line of JSON. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
	long n, sum = 0;
	int rank;
	long message[8] = {0};
	MPI_Init(&argc, &argv);
	n = argc > 1 ? atol(argv[1]) : 0;
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	double begin = 0;
	for (long i = -n / 10; i < n; i++) {
		if (i == 0)
			begin = MPI_Wtime();
		if (rank == 0) {
			message[0] = i;
			MPI_Send(message, sizeof message, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
			MPI_Recv(message, sizeof message, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			if (i >= 0)
				sum += message[0];
		} else {
			MPI_Recv(message, sizeof message, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			MPI_Send(message, sizeof message, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
		}
	}
	if (rank == 0)
		printf("{\"n\":%ld,\"ns\":%.0f,\"sum\":%ld}\n", n, (MPI_Wtime() - begin) * 1e9, sum);
	MPI_Finalize();
	return 0;
}
