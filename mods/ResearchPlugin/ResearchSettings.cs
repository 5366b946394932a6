// What the environment says: MEGABONK_INSTANCE_ID, _OBS_WIDTH, _OBS_HEIGHT, _SEED, _DETERMINISTIC, _RESEARCH_SHM_DIR,
// _REWARD_TABLE.
using System;
using System.Globalization;
using System.Linq;

namespace ResearchPlugin;

public sealed record ResearchSettings(
    int Instance, int Width, int Height, int Seed, bool IsDeterministic, string? Folder, RewardTable Rewards)
{
    public static ResearchSettings FromEnvironment() => new(
        Number("INSTANCE_ID", 0, 0, 9999), Number("OBS_WIDTH", 84, 1, SharedFrame.MaxSide),
        Number("OBS_HEIGHT", 84, 1, SharedFrame.MaxSide), Number("SEED", 1, int.MinValue, int.MaxValue),
        Text("DETERMINISTIC") is null or "1" or "true", Text("RESEARCH_SHM_DIR"), Table());

    private static string? Text(string name)
    {
        var text = Environment.GetEnvironmentVariable("MEGABONK_" + name);
        return string.IsNullOrEmpty(text) ? null : text;
    }

    private static RewardTable Table()
    {
        var name = Text("REWARD_TABLE") ?? RewardTable.All[0].Name;
        var known = RewardTable.All.Select(table => table.Name);
        return RewardTable.All.FirstOrDefault(table => table.Name == name)
            ?? throw new ArgumentException($"MEGABONK_REWARD_TABLE={name}: there are {string.Join(", ", known)}");
    }

    private static int Number(string name, int otherwise, int least, int most)
    {
        if (Text(name) is not { } text)
        {
            return otherwise;
        }
        if (int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
            && number >= least && number <= most)
        {
            return number;
        }
        throw new ArgumentException($"MEGABONK_{name}={text}: a whole number from {least} to {most} is needed");
    }
}
