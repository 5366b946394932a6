// While an agent drives, and until its run was left for the main menu, scores, statistics and achievements stay here:
// the game's setting is off, and the methods that queue and send are blocked. Other people's boards are theirs.
// What the user had set is on disk before it is changed; after a crash it comes back at the next start.
using System;
using System.Globalization;
using System.IO;
using Assets.Scripts.Managers;

namespace BonkLink;

public sealed class UploadGuard
{
    /// <summary>What queues or sends, the game's own methods first and Steam's last.</summary>
    public static readonly (string Type, string Method)[] Uploads =
    {
        ("SteamLeaderboardsManagerNew", "QueueLeaderboardUpload"),
        ("SteamLeaderboardsManagerNew", "UploadLeaderboardScore"),
        ("Assets.Scripts.Steam.Leaderboards", "UploadScore"),
        ("Assets.Scripts.Steam.SteamStatsManager", "OnStatUpdated"),
        ("Assets.Scripts.Steam.SteamStatsManager", "SetCachedStats"),
        ("Assets.Scripts.Steam.SteamStatsManager", "QueueUpload"),
        ("Assets.Scripts.Steam.SteamStatsManager", "TryUploadStats"),
        ("Assets.Scripts.Steam.SteamAchievementsManager", "TryUnlockAchievement"),
        ("Assets.Scripts.Steam.SteamAchievementsManager", "QueueUpload"),
        ("Assets.Scripts.Steam.SteamAchievementsManager", "TryUploadAchievements"),
        ("Steamworks.SteamUserStats", "UploadLeaderboardScore"),
        ("Steamworks.SteamUserStats", "SetAchievement"),
        ("Steamworks.SteamUserStats", "SetStat"),
        ("Steamworks.SteamUserStats", "StoreStats"),
    };

    private static bool _blocks;
    private readonly Action<string> _log;
    private readonly string _path;
    private int? _before;
    private bool _looked;

    /// <summary>The user's own setting is kept in `folder`, in a file with the plugin's name.</summary>
    public UploadGuard(string plugin, string folder, Action<string> log)
    {
        _path = Path.Combine(folder, plugin + ".upload-setting");
        _log = log;
    }

    private static Assets.Scripts.Settings___Saves.SaveFiles.CFGameSettings? Settings =>
        SaveManager.Instance?.config?.cfGameSettings;

    public void Plan(Patches patches)
    {
        var unless = Patches.Own(typeof(UploadGuard), nameof(UnlessBlocked));
        foreach (var (type, name) in Uploads)
        {
            patches.Add(type, name, unless, null, "the other guards keep what an agent did here");
        }
    }

    /// <summary>Called each frame: blocked from an agent's first action to a main menu without one.</summary>
    public void Hold(bool isDriven)
    {
        if (isDriven && !_blocks)
        {
            _blocks = true;
            _log("an agent drives: scores, statistics and achievements of this run are not uploaded");
        }
        else if (_blocks && !isDriven && MapController.IsMainMenu())
        {
            Release();
            _log("the agent's runs are over: scores are uploaded again as the settings say");
        }
        Guarded.Run("upload setting", Follow);
    }

    public void Release()
    {
        _blocks = false;
        Guarded.Run("upload setting", GiveBack);
    }

    /// <summary>Give back what a crash left, once; then keep the setting off while uploads are blocked.</summary>
    private void Follow()
    {
        if (_looked && !_blocks)
        {
            return;
        }
        if (Settings is not { } settings)
        {
            return;
        }
        if (!_looked)
        {
            _looked = true;
            Restore();
        }
        if (_blocks && settings.upload_score_to_leaderboard != 0)
        {
            _before ??= settings.upload_score_to_leaderboard;
            Write(_before.Value);
            settings.upload_score_to_leaderboard = 0;
        }
    }

    private void Restore()
    {
        if (!File.Exists(_path))
        {
            return;
        }
        if (int.TryParse(File.ReadAllText(_path), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value))
        {
            _before = value;
            GiveBack();
            _log($"upload_score_to_leaderboard is {value} again; the game had ended while an agent drove");
            return;
        }
        File.Delete(_path);
    }

    private void GiveBack()
    {
        if (_before is not { } before || Settings is not { } settings)
        {
            return;
        }
        settings.upload_score_to_leaderboard = before;
        SaveManager.Instance?.SaveConfig();
        _before = null;
        File.Delete(_path);
    }

    /// <summary>On disk, whole or not at all, before the setting changes.</summary>
    private void Write(int value)
    {
        if (File.Exists(_path))
        {
            return;
        }
        var part = _path + ".part";
        using (var file = new FileStream(part, FileMode.Create, FileAccess.Write))
        {
            var bytes = System.Text.Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));
            file.Write(bytes, 0, bytes.Length);
            file.Flush(true);
        }
        File.Move(part, _path, true);
    }

    private static bool UnlessBlocked() => !_blocks;
}
