module nestflow.example/pricing

go 1.22
