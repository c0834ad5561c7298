using BenchmarkDotNet.Running;
using Jumun.MicroBench;

BenchmarkSwitcher.FromTypes([typeof(Decisions)]).Run(args);
